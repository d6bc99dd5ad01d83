// The changes that undo a change that was sent.
import type { ChangeOp, Fresh, QueryOp, Target, Was } from '../local/ops.ts';
import { inverse } from './inverse.ts';

/** What is to be handed over so that everything is as it was before. */
export function undoing(op: ChangeOp | QueryOp): Fresh[] {
  if (op.kind === 'query') {
    const was: Was = { id: '', mailbox: op.box, seen: op.set.seen !== true, flagged: op.set.flagged !== true, keywords: op.set.remove_keywords ?? [], snoozed: null };
    const set = inverse([was], op.set)[0]?.set;
    if (set === undefined) return [];
    const none = { key: '', thread: '', single: true, message: { id: '', mailbox: '', seen: true, flagged: false, keywords: [], snoozed: null }, count: 1, who: { name: null, address: '' }, names: '', subject: '', preview: '', at: 0, unread: false, flagged: false, attachment: false, labels: [], waiting: null, delivery: null, held: false };
    return [{ kind: 'change', set, pick: 'here', quiet: false, title: op.title, targets: [{ row: none, box: null, messages: op.ids.map((id) => ({ ...was, id })) }] }];
  }
  const all = op.targets.flatMap((target) => target.messages ?? []);
  return inverse(all, op.set).map(({ ids, set }) => {
    const wanted = new Set(ids);
    const targets: Target[] = op.targets.map((target) => ({
      row: target.row, box: op.set.snoozed_until ? 'snoozed' : (op.set.mailbox ?? target.box),
      messages: (target.messages ?? []).filter((was) => wanted.has(was.id)).map((was) => ({ ...was, mailbox: op.set.mailbox ?? was.mailbox })),
    })).filter((target) => target.messages.length > 0);
    return { kind: 'change', set, pick: 'here', quiet: false, title: op.title, targets };
  });
}
