// Undoing a change of many messages, each to what it was.
import type { MessageChange } from '../wire/types.ts';

/** One message that an action changes, as it was before. */
export interface Target { id: string; mailbox: string; seen: boolean; flagged: boolean }

/** Groups the targets by what a change replaces, as the changes that undo it. */
export function inverse(targets: readonly Target[], set: MessageChange): { ids: string[]; set: MessageChange }[] {
  const groups = new Map<string, { ids: string[]; set: MessageChange }>();
  for (const target of targets) {
    const back: MessageChange = {};
    if (set.mailbox !== undefined) back.mailbox = target.mailbox;
    if (set.seen !== undefined) back.seen = target.seen;
    if (set.flagged !== undefined) back.flagged = target.flagged;
    const key = JSON.stringify(back);
    const group = groups.get(key) ?? { ids: [], set: back };
    group.ids.push(target.id);
    groups.set(key, group);
  }
  return [...groups.values()];
}
