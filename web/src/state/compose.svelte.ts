// What is being written, where, and sending it.
import { texts, join } from '../texts.ts';
import { nameOf } from '../words/address.ts';
import { Problem } from '../wire/http.ts';
import { mail } from '../wire/api.ts';
import { attemptFor, outgoing } from '../words/outgoing.ts';
import type { Message } from '../wire/types.ts';
import { boxes } from './boxes.svelte.ts';
import { type Draft, drafts, forwardDraft, newDraft, replyDraft, worthKeeping } from './drafts.svelte.ts';
import { list } from './list.svelte.ts';
import { prefs } from './prefs.svelte.ts';
import { thread } from './thread.svelte.ts';
import { toasts } from './toast.svelte.ts';

class Compose {
  /** The reply at the end of the open conversation. */
  inline: Draft | null = $state(null);
  /** The message in its own window. */
  window: Draft | null = $state(null);

  /** Whether the reply was taken up by itself, so that the keys stay with the conversation. */
  quiet = false;

  /** Writes a new message, or goes on with a kept one. */
  write(draft: Draft = newDraft()): void { this.window = draft; }

  /** Replies in the open conversation. */
  reply(message: Message, all: boolean): void { this.keep(this.inline); this.quiet = false; this.inline = replyDraft(message, all); }

  /** Shows the reply that was begun in a conversation earlier, if there is one. */
  takeUp(thread: string): void {
    const kept = drafts.all.find((draft) => draft.kind === 'reply' && draft.thread === thread);
    if (kept === undefined || this.inline !== null || this.window?.key === kept.key) return;
    this.quiet = true;
    this.inline = { ...kept };
  }

  /** Sends a message on, in its own window. */
  forward(message: Message): void { this.keep(this.window); this.window = forwardDraft(message); }

  /** Opens a kept draft where it belongs. */
  resume(draft: Draft): void { this.quiet = false; if (draft.kind === 'reply' && draft.thread === thread.id) this.inline = draft; else this.window = draft; }

  /** Keeps a draft, or drops it if nothing is in it. */
  keep(draft: Draft | null): void {
    if (draft === null) return;
    if (worthKeeping(draft)) drafts.save($state.snapshot(draft)); else drafts.remove(draft.key);
  }

  /** Closes a draft's editor. */
  close(draft: Draft): void {
    if (this.inline?.key === draft.key) this.inline = null;
    if (this.window?.key === draft.key) this.window = null;
  }

  /** Sends a draft. Throws `Problem`; then the draft is still there, and sent at most once however often this is tried again. */
  async send(draft: Draft): Promise<void> {
    const undo = prefs.undo;
    const body = outgoing($state.snapshot(draft), undo);
    const attempt = attemptFor(draft, JSON.stringify(body), () => crypto.randomUUID());
    draft.attempt = attempt;
    drafts.save($state.snapshot(draft));
    const accepted = draft.kind === 'forward' && draft.source !== null
      ? await mail.forward(draft.source, body, attempt.key)
      : await mail.send(body, attempt.key);
    const kept = $state.snapshot(draft);
    this.close(draft);
    drafts.remove(draft.key);
    const names = join([...kept.to, ...kept.cc, ...kept.bcc].map((who) => nameOf(who)));
    const takeBack = async (): Promise<void> => {
      try {
        await mail.cancel(accepted.id);
        // A message that was taken back has used up its key.
        this.resume({ ...kept, attempt: null });
        drafts.save({ ...kept, attempt: null });
        toasts.show(texts.compose.takenBack);
      } catch (error) {
        toasts.show(error instanceof Problem && error.status === 409 ? texts.compose.tooLate : texts.actions.failed((error as Error).message), { bad: true });
      }
      await Promise.allSettled([thread.refresh([accepted.id]), list.refresh([accepted.thread_id]), boxes.load()]);
    };
    const until = accepted.undo_until === null ? 0 : Date.parse(accepted.undo_until) - Date.now();
    toasts.show(texts.compose.sent(names), accepted.state === 'held' ? { undo: () => void takeBack(), ms: Math.max(1000, Math.min(until || undo * 1000, undo * 1000)) } : {});
    await Promise.allSettled([thread.refresh(), list.refresh([accepted.thread_id]), boxes.load()]);
  }
}

/** What is being written in this window. */
export const compose = new Compose();
