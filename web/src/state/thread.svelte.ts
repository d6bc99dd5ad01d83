// The open conversation: its summaries, and the full messages of those that are unfolded.
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { Problem } from '../wire/http.ts';
import { mail } from '../wire/api.ts';
import type { Message, MessageSummary, ThreadDetail } from '../wire/types.ts';
import type { Plan } from './plan.ts';

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
    try {
      const detail = await mail.thread(id);
      if (this.id !== id) return;
      const open = unfolded(detail.messages);
      for (const each of open) this.open.add(each);
      this.detail = detail;
      await Promise.all(open.map((each) => this.load(each)));
      if (this.id === id) this.start = start(detail.messages);
    } catch (error) {
      if (this.id === id) this.problem = error instanceof Problem ? error : new Problem(0, 'unexpected', String(error));
    }
  }

  /** Fetches a message in full. */
  async load(message: string): Promise<void> {
    const thread = this.id;
    try {
      const full = await mail.message(message);
      if (this.id === thread) { this.full.set(message, full); this.failed.delete(message); }
    } catch (error) {
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
      const next = await mail.thread(id);
      if (this.id !== id) return;
      const known = new Set(detail.messages.map((each) => each.id));
      const fresh = next.messages.filter((each) => !known.has(each.id)).map((each) => each.id);
      for (const each of fresh) this.open.add(each);
      this.detail = next;
      const stale = [...changed].filter((each) => this.full.has(each) && next.messages.some((message) => message.id === each));
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

  /** Changes summaries at once, before the server has answered. */
  patch(ids: ReadonlySet<string>, change: Partial<Pick<MessageSummary, 'seen' | 'flagged' | 'mailbox'>>): void {
    if (this.detail === null) return;
    const messages = this.detail.messages.map((each) => (ids.has(each.id) ? { ...each, ...change } : each));
    this.detail = { ...this.detail, messages, flagged: messages.some((each) => each.flagged) };
  }
}

/** The conversation of this window. */
export const thread = new ThreadState();
