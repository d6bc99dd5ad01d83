// The copy of mail in this browser: what lists and conversations paint before the server has answered, and all there is offline.
// The server is the truth; each answer overwrites what is here.
import type { Mailbox, Message, Thread, ThreadDetail } from '../wire/types.ts';
import { done, empty, owner, within } from './db.ts';

/** So many rows are kept of each mailbox. */
export const ROWS = 5000;
/** So many conversations, and messages with their text, are kept. */
const WHOLE = 3000;
const BATCH = 500;

interface KeptRow { box: string; id: string; back: number; thread: Thread }
/** Where a page of rows goes on: the last row's time, in milliseconds, and id. */
export interface Place { at: number; id: string }

const at = (thread: Thread): number => Date.parse(thread.latest.received_at);
const kept = (box: string, thread: Thread): KeptRow => ({ box, id: thread.id, back: -at(thread), thread });
// An array sorts after every number, so this closes a range of one mailbox.
const range = (box: string, from: Place | null, to: number | [] = []): IDBKeyRange =>
  IDBKeyRange.bound(from === null ? [box, -Infinity] : [box, -from.at, from.id], [box, to, []], from !== null);

/** So many rows a list begins with. */
export const FIRST = 50;
/** What was asked for ahead, and of whose copy. */
const ahead = new Map<string, { of: string | null; answer: Promise<unknown> }>();
/** What is asked for ahead is for the first page alone: later, in milliseconds, it may not be so any more. */
const FRESH = 5000;
function taken<T>(what: string): Promise<T> | undefined {
  const under = ahead.get(what);
  ahead.delete(what);
  return under?.of === owner() ? under?.answer as Promise<T> | undefined : undefined;
}
/** Asks for all that the first page of a mailbox wants, at once and before anything is drawn. */
export function readAhead(box: string | null): void {
  const of = owner();
  for (const name of ['me', 'boxes']) ahead.set(name, { of, answer: fact(name) });
  if (box !== null) ahead.set(`rows ${box}`, { of, answer: rows(box, FIRST) });
  setTimeout(() => ahead.clear(), FRESH);
}

/** A page of a mailbox's rows, newest first. */
export const rows = (box: string, limit: number, after: Place | null = null): Promise<Thread[]> =>
  (after === null && limit === FIRST ? taken<Thread[]>(`rows ${box}`) : undefined) ?? within('rows', 'readonly', async (store) => (await done(store('rows').index('order').getAll(range(box, after), limit) as IDBRequest<KeptRow[]>)).map((row) => row.thread), []);

/** The rows of a mailbox that pass a test, newest first, looked for batch by batch. */
export async function search(box: string | null, boxes: readonly string[], test: (thread: Thread) => boolean, limit: number): Promise<Thread[]> {
  const out = new Map<string, Thread>();
  for (const each of box === null ? boxes : [box]) {
    let after: Place | null = null;
    for (let found = 0; found < limit;) {
      const page: Thread[] = await rows(each, BATCH, after);
      for (const thread of page.filter(test)) { out.set(thread.id, thread); found += 1; }
      const last = page[page.length - 1];
      if (last === undefined || page.length < BATCH) break;
      after = { at: at(last), id: last.id };
    }
  }
  return [...out.values()].sort((a, b) => at(b) - at(a)).slice(0, limit);
}

/** Keeps a page as the server sent it. Rows that were kept between `after` and the page's end, and are not in it, have gone. */
export async function putPage(box: string, page: readonly Thread[], after: Place | null, end: boolean): Promise<void> {
  await within('rows', 'readwrite', async (store) => {
    const all = store('rows');
    const last = page[page.length - 1];
    if (last === undefined && !end) return;
    const there = new Set(page.map((thread) => thread.id));
    const until = end || last === undefined ? [] : -at(last);
    const keys = await done(all.index('order').getAllKeys(range(box, after, until as number | [])));
    for (const key of keys as [string, string][]) if (!there.has(key[1])) all.delete(key);
    for (const thread of page) all.put(kept(box, thread));
  }, undefined);
}

/** Keeps a conversation, and its rows in each of the mailboxes it has messages in. */
export async function putThread(detail: ThreadDetail, mailboxes: readonly Mailbox[]): Promise<void> {
  await within(['rows', 'threads'], 'readwrite', (store) => {
    store('threads').put({ id: detail.id, used: Date.now(), detail });
    const { messages, ...thread } = detail;
    for (const { role, id } of mailboxes) {
      const box = role ?? id;
      const latest = messages.filter((each) => each.mailbox === box || each.mailbox_id === id).pop();
      if (latest === undefined) store('rows').delete([box, detail.id]);
      else store('rows').put(kept(box, { ...thread, latest }));
    }
  }, undefined);
}

/** A conversation as it was last seen. */
export const thread = (id: string): Promise<ThreadDetail | null> =>
  within('threads', 'readonly', async (store) => (await done(store('threads').get(id) as IDBRequest<{ detail: ThreadDetail } | undefined>))?.detail ?? null, null);

/** A whole message as it was last seen. */
export const message = (id: string): Promise<Message | null> =>
  within('messages', 'readonly', async (store) => (await done(store('messages').get(id) as IDBRequest<{ message: Message } | undefined>))?.message ?? null, null);

/** Which of these messages are here in whole. */
export const has = (ids: readonly string[]): Promise<Set<string>> =>
  within('messages', 'readonly', async (store) => new Set((await Promise.all(ids.map((id) => done(store('messages').getKey(id))))).filter((key) => key !== undefined).map(String)), new Set<string>());

/** Keeps a whole message. */
export const putMessage = (whole: Message): Promise<void> =>
  within('messages', 'readwrite', (store) => { store('messages').put({ id: whole.id, used: Date.now(), message: whole }); }, undefined);

/** Drops a conversation that is no more. */
export const forget = (id: string, mailboxes: readonly Mailbox[]): Promise<void> =>
  within(['rows', 'threads'], 'readwrite', (store) => {
    store('threads').delete(id);
    for (const box of mailboxes) store('rows').delete([box.role ?? box.id, id]);
  }, undefined);

/** One fact, such as the mailboxes or the cursor of the log. */
export const fact = <T>(name: string): Promise<T | null> =>
  taken<T | null>(name) ?? within('facts', 'readonly', async (store) => ((await done(store('facts').get(name))) as T | undefined) ?? null, null);
/** Keeps a fact. */
export const setFact = (name: string, value: unknown): Promise<void> => within('facts', 'readwrite', (store) => { store('facts').put(value, name); }, undefined);

/** Drops the rows of every mailbox, or of all but one: they are fetched again. */
export async function dropRows(but: string | null): Promise<void> {
  await within(['rows', 'facts'], 'readwrite', (store) => {
    store('facts').delete('synced');
    if (but === null) { store('rows').clear(); return; }
    store('rows').delete(IDBKeyRange.bound([], [but], false, true));
    store('rows').delete(IDBKeyRange.lowerBound([but, []], true));
  }, undefined);
}

/** Drops everything but what waits to be sent: the log no longer says what has changed. */
export const clear = (): Promise<void> => empty(['rows', 'threads', 'messages', 'facts']);

/** Keeps within bounds: the longest unused conversations and texts go, and rows beyond the window. */
export async function prune(mailboxes: readonly Mailbox[]): Promise<void> {
  for (const name of ['threads', 'messages'] as const) {
    await within(name, 'readwrite', async (store) => {
      const over = await done(store(name).count()) - WHOLE;
      if (over > 0) for (const key of await done(store(name).index('used').getAllKeys(null, over))) store(name).delete(key);
    }, undefined);
  }
  for (const box of mailboxes) {
    await within('rows', 'readwrite', async (store) => {
      const order = store('rows').index('order');
      const mine = range(box.role ?? box.id, null);
      if (await done(order.count(mine)) <= ROWS) return;
      const keys = await done(order.getAllKeys(mine));
      for (const key of keys.slice(ROWS)) store('rows').delete(key);
    }, undefined);
  }
}
