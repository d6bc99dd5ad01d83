// The open conversation: its summaries, and the full messages of those that are unfolded.
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { Problem } from '../wire/http.ts';
import * as mirror from '../local/mirror.ts';
import type { Op } from '../local/ops.ts';
import type { Message, MessageSummary, ThreadDetail } from '../wire/types.ts';
import { overlayMessages } from './overlay.ts';
import { pending } from './pending.svelte.ts';
import type { Plan } from './plan.ts';
import { source } from './source.ts';

/** Which messages of a conversation are unfolded when it is opened: unread ones, open questions, the last one, our own with trouble on
 *  its way, and our own newest if nothing but the last one follows it. */
export function unfolded(messages: readonly MessageSummary[]): string[] {
  const last = messages.length - 1;
  return messages.filter((each, at) => !each.seen || at === last || each.ask?.state === 'pending'
    || (each.direction === 'out' && (at === last - 1 || (each.delivery?.delayed ?? 0) + (each.delivery?.failed ?? 0) > 0))).map((each) => each.id);
}

/** Where to begin reading: the first unread message, else the open question, else the last message. */
export function start(messages: readonly MessageSummary[]): string | null {
  const unread = messages.find((each) => !each.seen);
  const asked = messages.find((each) => each.ask !== null && each.ask.role === 'asked' && each.ask.state === 'pending' && !each.ask.answered);
  return (unread ?? asked ?? messages[messages.length - 1])?.id ?? null;
}

class ThreadState {
  id: string | null = $state(null);
  detail: ThreadDetail | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);
  /** Full messages by id. */
  readonly full = new SvelteMap<string, Message>();
  readonly failed = new SvelteMap<string, string>();
  readonly open = new SvelteSet<string>();
  /** Where the view should scroll to, once. */
  start: string | null = $state(null);

  /** Opens a conversation. */
  async show(id: string | null): Promise<void> {
    this.id = id; this.detail = null; this.problem = null; this.start = null;
    this.full.clear(); this.open.clear(); this.failed.clear();
    if (id === null) return;
    // What was there the last time is shown before the server has answered.
    const kept = await mirror.thread(id);
    if (this.id !== id) return;
    if (kept !== null) {
      await this.#begin(kept, (each) => mirror.message(each));
      void this.refresh(this.open);
      return;
    }
    try {
      const detail = await source.thread(id);
      if (this.id === id) await this.#begin(detail, null);
    } catch (error) {
      if (this.id === id) this.problem = error instanceof Problem ? error : new Problem(0, 'unexpected', String(error));
    }
  }

  async #begin(detail: ThreadDetail, copy: ((message: string) => Promise<Message | null>) | null): Promise<void> {
    const shown = laid(detail);
    const open = unfolded(shown.messages);
    for (const each of open) this.open.add(each);
    if (copy !== null) {
      const whole = await Promise.all(open.map(copy));
      if (this.id !== detail.id) return;
      for (const each of whole) if (each !== null) this.full.set(each.id, each);
    }
    this.detail = shown;
    if (copy === null) await Promise.all(open.map((each) => this.load(each)));
    if (this.id === detail.id) this.start = start(shown.messages);
  }

  /** Fetches a message in full. */
  async load(message: string): Promise<void> {
    const thread = this.id;
    try {
      const full = await source.message(message);
      if (this.id === thread) { this.full.set(message, full); this.failed.delete(message); }
    } catch (error) {
      const kept = await mirror.message(message);
      if (kept !== null && this.id === thread && !this.full.has(message)) this.full.set(message, kept);
      if (this.full.has(message)) return;
      if (this.id === thread) this.failed.set(message, error instanceof Problem ? error.detail : String(error));
    }
  }

  /** Unfolds or folds a message. */
  toggle(message: string): void {
    if (this.open.has(message)) { this.open.delete(message); return; }
    this.open.add(message);
    if (!this.full.has(message)) void this.load(message);
  }

  /** Fetches the conversation again, keeping what is unfolded. New messages come unfolded. */
  async refresh(changed: Iterable<string> = []): Promise<void> {
    const { id, detail } = this;
    if (id === null) return;
    if (detail === null) { await this.show(id); return; }
    try {
      const next = laid(await source.thread(id));
      if (this.id !== id) return;
      const known = new Set(detail.messages.map((each) => each.id));
      const fresh = next.messages.filter((each) => !known.has(each.id)).map((each) => each.id);
      for (const each of fresh) this.open.add(each);
      this.detail = next;
      const stale = [...changed].filter((each) => (this.full.has(each) || this.open.has(each)) && !fresh.includes(each) && next.messages.some((message) => message.id === each));
      await Promise.all([...fresh, ...stale].map((each) => this.load(each)));
    } catch (error) {
      if (this.id === id && error instanceof Problem && error.status === 404) { this.detail = null; this.problem = error; }
    }
  }

  /** Takes in what the log told. */
  async apply(plan: Plan): Promise<void> {
    if (this.id === null) return;
    const here = this.detail?.messages.some((each) => plan.messages.has(each.id)) === true;
    if (plan.resync) await this.refresh(this.full.keys());
    else if (plan.threads.has(this.id) || here) await this.refresh(plan.messages);
    else if (plan.promises) await this.refresh([...this.full.values()].filter((each) => each.ask?.state === 'pending').map((each) => each.id));
  }

  /** Lays what waits over the conversation again. */
  relay(id: string): void { if (this.detail?.id === id) this.detail = laid(this.detail); }
}

/** Whether a conversation is muted once what waits is done; unknown where the server does not say. */
export function mutedBy(detail: ThreadDetail, ops: readonly Op[]): boolean | undefined {
  if (detail.muted === undefined) return undefined;
  const last = ops.filter((op) => op.kind === 'change' && op.set.muted !== undefined && op.targets.some(({ row }) => row.thread === detail.id)).at(-1);
  return last?.kind === 'change' ? last.set.muted : detail.muted;
}

/** A conversation with what waits to be sent laid over it. */
function laid(detail: ThreadDetail): ThreadDetail {
  const messages = overlayMessages(detail.id, detail.messages, pending.ops);
  const muted = mutedBy(detail, pending.ops);
  return messages === detail.messages ? detail : { ...detail, messages, flagged: messages.some((each) => each.flagged), ...(muted === undefined ? {} : { muted }) };
}

/** The conversation of this window. */
export const thread = new ThreadState();
