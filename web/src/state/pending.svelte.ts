// What waits to be sent, as the page shows it: laid over lists and conversations, and as a count.
import { texts } from '../texts.ts';
import type { ChangeOp, Fresh, Op, QueryOp } from '../local/ops.ts';
import type { Listener, Outcome } from '../local/outbox.ts';
import { toasts } from './toast.svelte.ts';

/** So long what was sent stays laid over, in milliseconds: an answer that was under way when it was sent does not have it yet. */
const LINGER = 2500;

/** What the views do when something was sent. */
export interface Settled { (op: Op): void }

/** Nothing waits on the first page, so this comes after it. */
const outbox = (): Promise<typeof import('../local/outbox.ts')> => import('../local/outbox.ts');

class Pending implements Listener {
  /** Kept and not sent. */
  #kept: readonly Op[] = $state.raw([]);
  /** Handed over a moment ago, before it is kept. */
  #early: readonly Op[] = $state.raw([]);
  /** Sent a moment ago. */
  #late: readonly Op[] = $state.raw([]);
  /** Where the list and the conversation hear of what was sent or refused. */
  settled: Settled = () => undefined;
  refusedThen: Settled = () => undefined;
  signedOut: () => void = () => undefined;

  /** What is laid over lists, in the order it was done. */
  readonly ops: readonly Op[] = $derived.by(() => {
    const seen = new Set<number>();
    return [...this.#late, ...this.#kept.filter((op) => op.failed === null), ...this.#early].filter((op) => { const first = !seen.has(op.id); seen.add(op.id); return first; });
  });
  /** What waits to be sent. */
  get waiting(): readonly Op[] { return this.#kept.filter((op) => op.failed === null); }
  /** What was refused and not looked at yet. */
  get failed(): readonly Op[] { return this.#kept.filter((op) => op.failed !== null); }
  /** An answer that waits, by its question. */
  answer(promise: string): Op | undefined { return this.#kept.find((op) => op.kind === 'answer' && op.promise === promise && op.failed === null); }

  /** Takes up what waited in this browser. */
  start(): void { void outbox().then(({ start }) => start(this)); }
  /** Forgets everything shown. */
  clear(): void { this.#kept = []; this.#early = []; this.#late = []; }

  list(ops: readonly Op[]): void { this.#kept = ops; }
  sent(op: Op): void {
    this.#late = [...this.#late, op];
    this.settled(op);
    setTimeout(() => { this.#late = this.#late.filter((each) => each.id !== op.id); }, LINGER);
  }
  refused(op: Op): void {
    if ((op.kind === 'change' && !op.quiet) || op.kind === 'query' || op.kind === 'destroy') toasts.show(texts.outbox.refused(op), { bad: true });
    this.refusedThen(op);
  }
  left(): void { this.signedOut(); }

  /** Hands something over: it shows at once. */
  hand(fresh: Fresh): Promise<{ op: Op; outcome: Promise<Outcome> }> {
    const early = { ...fresh, id: -Math.random(), at: Date.now(), waited: false, failed: null } as unknown as Op;
    this.#early = [...this.#early, early];
    const handed = outbox().then(({ hand }) => hand(fresh));
    const off = (): void => { this.#early = this.#early.filter((each) => each !== early); };
    // Kept now, and so among #kept: what is shown does not change.
    void handed.then(({ op }) => { if (!this.#kept.some((each) => each.id === op.id) && !this.#late.some((each) => each.id === op.id)) this.#kept = [...this.#kept, op]; off(); }, off);
    return handed;
  }

  /** Takes a change back: out of the outbox if it is still there, else by the change that undoes it. */
  async undo(handed: Promise<{ op: Op; outcome: Promise<Outcome> }>): Promise<void> {
    const { op, outcome } = await handed;
    if (await (await outbox()).drop(op.id)) { this.#kept = this.#kept.filter((each) => each.id !== op.id); return; }
    const result = await outcome.catch(() => null);
    if (result === null || result.state !== 'sent') return;
    const { undoing } = await import('./undoing.ts');
    for (const back of undoing(result.answer as ChangeOp | QueryOp)) await this.hand(back);
  }
}

/** What waits in this browser. */
export const pending = new Pending();
