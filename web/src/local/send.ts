// Sending one thing out of the outbox.
import { mail, promises } from '../wire/api.ts';
import { Problem } from '../wire/http.ts';
import type { Accepted, ThreadDetail } from '../wire/types.ts';
import type { ChangeOp, DestroyOp, Op, QueryOp, Target, Was } from './ops.ts';
import { put } from './outbox.ts';

/** Messages of one call. */
const AT_ONCE = 1000;

/** Does it on the server; its answer. Throws `Problem`. */
export async function perform(op: Op): Promise<unknown> {
  switch (op.kind) {
    case 'change': return change(op);
    case 'query': return query(op);
    case 'destroy': return destroy(op);
    case 'answer': return promises.answer(op.promise, op.body, op.key);
    case 'send': return (op.forward === null ? mail.send(op.body, op.key) : mail.forward(op.forward, op.body, op.key)) satisfies Promise<Accepted>;
  }
}

async function lookup(thread: string): Promise<ThreadDetail | null> {
  try { return await mail.thread(thread); } catch (error) { if (error instanceof Problem && error.status === 404) return null; throw error; }
}

const wasOf = (each: Was & { snoozed_until?: string | null }): Was => ({ id: each.id, mailbox: each.mailbox, seen: each.seen, flagged: each.flagged, keywords: each.keywords, snoozed: each.snoozed_until ?? null });

/** Finds out which messages the rows stand for: those of the thread in that mailbox that were there when it was acted on. */
async function resolve(targets: Target[], pick: 'here' | 'newest', waited: boolean, moves: string | undefined): Promise<string[]> {
  const elsewhere: string[] = [];
  const queue = targets.filter((each) => each.messages === null || (waited && targets.length <= 200));
  const work = async (): Promise<void> => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
      const { row, box } = target;
      const detail = await lookup(row.thread);
      const now = new Map((detail?.messages ?? []).map((each) => [each.id, each]));
      if (target.messages !== null) {
        // It waited: what others did meanwhile stands, and is told.
        const mine = target.messages.filter((was) => { const there = now.get(was.id); return there !== undefined && (moves === undefined || there.mailbox === was.mailbox || there.mailbox === moves); });
        if (mine.length < target.messages.length) elsewhere.push(row.subject);
        target.messages = mine;
        continue;
      }
      const there = [...now.values()].filter((each) => Date.parse(each.received_at) <= row.at);
      const here = there.filter((each) => box === null || each.mailbox === box || each.mailbox_id === box);
      if (here.length === 0 && waited && box !== null) elsewhere.push(row.subject);
      const meant = here.length > 0 || (waited && box !== null) ? here : there.filter((each) => each.direction === 'in');
      target.messages = (pick === 'newest' ? meant.slice(-1) : meant).map((each) => wasOf({ ...each, snoozed: null }));
    }
  };
  await Promise.all(Array.from({ length: 6 }, work));
  return elsewhere;
}

async function change(op: ChangeOp): Promise<ChangeOp> {
  const moves = op.set.snoozed_until ? 'snoozed' : op.set.mailbox;
  const elsewhere = await resolve(op.targets, op.pick, op.waited, moves);
  const ids = op.targets.flatMap((target) => (target.messages ?? []).map((each) => each.id));
  for (let at = 0; at < ids.length; at += AT_ONCE) await mail.change(ids.slice(at, at + AT_ONCE), op.set);
  if (elsewhere.length > 0) throw new Problem(409, 'changed_elsewhere', elsewhere.slice(0, 3).join(', '));
  return op; // undoing it wants to know which messages these were
}

async function query(op: QueryOp): Promise<QueryOp> {
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: Awaited<ReturnType<typeof mail.changeFound>> = await mail.changeFound({ ...op.query, ...(cursor === undefined ? {} : { cursor }) }, op.set);
    op.ids.push(...page.ids);
    cursor = page.next_cursor;
    await put(op);
  }
  return op;
}

async function destroy(op: DestroyOp): Promise<void> {
  await resolve(op.targets, 'here', op.waited, undefined);
  for (const each of op.targets.flatMap((target) => target.messages ?? [])) {
    await mail.destroy(each.id).catch((error: unknown) => { if (!(error instanceof Problem && error.status === 404)) throw error; });
  }
}
