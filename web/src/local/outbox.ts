// The outbox: whatever changes something on the server is kept here first, then sent in order, by one tab at a time. It survives the
// tab. A refusal is kept and shown, never swallowed.
import { Problem } from '../wire/http.ts';
import { done, owner, within } from './db.ts';
import type { Fresh, Op } from './ops.ts';

/** What became of something handed over: sent, with the server's answer; or it waits. */
export type Outcome = { state: 'sent'; answer: unknown } | { state: 'waits' };
/** What tabs tell each other. */
type News = { account: string; kind: 'changed' } | { account: string; kind: 'sent'; op: Op; answer: unknown } | { account: string; kind: 'waits' } | { account: string; kind: 'refused'; id: number; problem: [number, string, string] } | { account: string; kind: 'left' };

/** What the page does when something happens here. */
export interface Listener {
  /** What waits, and what was refused, is now this. */
  list(ops: readonly Op[]): void;
  /** The server has taken it. */
  sent(op: Op): void;
  /** The server has refused it; `waited` says that nobody was looking. */
  refused(op: Op, problem: Problem): void;
  /** Another tab signed out. */
  left(): void;
}

const channel = new BroadcastChannel('restante');
const memory = new Map<number, Op>();
let memoryId = -1;
let listener: Listener | null = null;
let retry: ReturnType<typeof setTimeout> | undefined;
let failures = 0;
const waiters = new Map<number, { resolve: (outcome: Outcome) => void; reject: (problem: Problem) => void }>();

/** Everything that waits or was refused, in order. */
async function all(): Promise<Op[]> {
  const kept = await within('outbox', 'readonly', (store) => done(store('outbox').getAll(null, 2000) as IDBRequest<Op[]>), [] as Op[]);
  return [...kept, ...memory.values()];
}
async function add(op: Omit<Op, 'id'>): Promise<Op> {
  const id = await within('outbox', 'readwrite', (store) => done(store('outbox').add(op)) as Promise<number>, null, true);
  if (id !== null) return { ...op, id } as Op;
  const held = { ...op, id: memoryId-- } as Op;
  memory.set(held.id, held);
  return held;
}
/** Keeps what has become of one. */
export async function put(op: Op): Promise<void> {
  if (op.id < 0) memory.set(op.id, op); else await within('outbox', 'readwrite', (store) => { store('outbox').put(op); }, undefined);
}
async function take(id: number): Promise<boolean> {
  if (id < 0) return memory.delete(id);
  return within('outbox', 'readwrite', async (store) => {
    const there = await done(store('outbox').getKey(id)) !== undefined;
    if (there) store('outbox').delete(id);
    return there;
  }, false);
}

const tell = (news: News): void => { channel.postMessage(news); void hear(news); };
async function hear(news: News): Promise<void> {
  if (news.account !== owner()) return;
  if (news.kind === 'left') { listener?.left(); return; }
  if (news.kind === 'sent') {
    listener?.sent(news.op);
    waiters.get(news.op.id)?.resolve({ state: 'sent', answer: news.answer });
    waiters.delete(news.op.id);
  }
  if (news.kind === 'refused') { waiters.get(news.id)?.reject(new Problem(...news.problem)); waiters.delete(news.id); }
  if (news.kind === 'waits') { for (const each of waiters.values()) each.resolve({ state: 'waits' }); waiters.clear(); }
  listener?.list(await all());
}
// A connection that is back is used at once, without waiting for the next try.
addEventListener('online', () => void drain());
channel.onmessage = (event: MessageEvent<News>) => void hear(event.data);

/** Starts for the account whose database is in use: what waited is sent. */
export async function start(then: Listener): Promise<void> {
  listener = then;
  then.list(await all());
  void drain();
}

/** Keeps something and sends it as soon as it can be. `outcome` rejects with the server's refusal. */
export async function hand(fresh: Fresh): Promise<{ op: Op; outcome: Promise<Outcome> }> {
  const op = await add({ ...fresh, at: Date.now(), waited: false, failed: null } as unknown as Omit<Op, 'id'>);
  const outcome = new Promise<Outcome>((resolve, reject) => waiters.set(op.id, { resolve, reject }));
  outcome.catch(() => undefined); // whoever wants to know asks
  tell({ account: owner() ?? '', kind: 'changed' });
  void drain();
  return { op, outcome };
}

/** Takes something back that was not sent yet, or dismisses what was refused. Whether it was still there. */
export async function drop(id: number): Promise<boolean> {
  const there = await locked(() => take(id));
  tell({ account: owner() ?? '', kind: 'changed' });
  return there;
}

/** Tries something that was refused once more. */
export async function again(op: Op): Promise<void> {
  await put({ ...op, failed: null, waited: false });
  tell({ account: owner() ?? '', kind: 'changed' });
  void drain();
}

/** Says to every tab that this browser has signed out. */
export const left = (): void => { channel.postMessage({ account: owner() ?? '', kind: 'left' } satisfies News); clearTimeout(retry); memory.clear(); };

async function locked<T>(work: () => Promise<T>): Promise<T> {
  if (!('locks' in navigator)) return work();
  return navigator.locks.request(`restante.outbox.${owner() ?? ''}`, work) as Promise<T>;
}

const temporary = (problem: Problem): boolean => problem.status === 0 || problem.status === 401 || problem.status === 408 || problem.status === 429 || problem.status >= 500 || problem.code === 'idempotency_in_flight';

/** Sends what waits, in order, until nothing does or the server cannot be reached. */
export async function drain(): Promise<void> {
  clearTimeout(retry);
  const account = owner();
  if (account === null) return;
  await locked(async () => {
    for (;;) {
      const op = (await all()).find((each) => each.failed === null);
      if (op === undefined || owner() !== account) return;
      try {
        const { perform } = await import('./send.ts');
        const answer = await perform(op);
        await take(op.id);
        failures = 0;
        tell({ account, kind: 'sent', op, answer });
      } catch (error) {
        const problem = error instanceof Problem ? error : new Problem(500, 'unexpected', String(error));
        if (temporary(problem)) {
          for (const each of await all()) if (!each.waited && each.failed === null) await put({ ...each, waited: true });
          tell({ account, kind: 'waits' });
          failures += 1;
          retry = setTimeout(() => void drain(), Math.min(60_000, 1000 * 2 ** failures));
          return;
        }
        const refused = { ...op, failed: { code: problem.code, detail: problem.detail } };
        await put(refused);
        listener?.refused(refused, problem);
        tell({ account, kind: 'refused', id: op.id, problem: [problem.status, problem.code, problem.detail] });
      }
    }
  });
}
