// Undoing a change of many messages, each to what it was.
import type { Was } from '../local/ops.ts';
import type { MessageChange } from '../wire/types.ts';

/** Groups the messages by what a change replaces, as the changes that undo it. What the change left as it was is left out. */
export function inverse(messages: readonly Was[], set: MessageChange): { ids: string[]; set: MessageChange }[] {
  const groups = new Map<string, { ids: string[]; set: MessageChange }>();
  for (const was of messages) {
    const back: MessageChange = {};
    if (set.snoozed_until) { if (was.snoozed === null) { back.mailbox = was.mailbox; } else back.snoozed_until = was.snoozed; }
    else if (set.mailbox !== undefined && set.mailbox !== was.mailbox) { if (was.snoozed !== null) back.snoozed_until = was.snoozed; else back.mailbox = was.mailbox; }
    if (set.seen !== undefined && set.seen !== was.seen) back.seen = was.seen;
    if (set.flagged !== undefined && set.flagged !== was.flagged) back.flagged = was.flagged;
    if (set.muted !== undefined) back.muted = !set.muted; // the button only offers what is not so
    const added = (set.add_keywords ?? []).filter((each) => !was.keywords.includes(each));
    const removed = (set.remove_keywords ?? []).filter((each) => was.keywords.includes(each));
    if (added.length > 0) back.remove_keywords = added;
    if (removed.length > 0) back.add_keywords = removed;
    if (Object.keys(back).length === 0) continue;
    const key = JSON.stringify(back);
    const group = groups.get(key) ?? { ids: [], set: back };
    group.ids.push(was.id);
    groups.set(key, group);
  }
  return [...groups.values()];
}
