// Writing: new messages, replies, messages sent on; and sending them.
import { texts, join } from '../texts.ts';
import { moment } from '../words/time.ts';
import { nameOf } from '../words/address.ts';
import { Problem } from '../wire/http.ts';
import { mail } from '../wire/api.ts';
import { attemptFor, outgoing } from '../words/outgoing.ts';
import type { Accepted, Message } from '../wire/types.ts';
import { drop } from '../local/outbox.ts';
import { boxes } from './boxes.svelte.ts';
import { type Draft, drafts, forwardDraft, newDraft, replyDraft, worthKeeping } from './drafts.svelte.ts';
import { shared } from '../words/shared.ts';
import { compose } from './compose.svelte.ts';
import { list } from './list.svelte.ts';
import { pending } from './pending.svelte.ts';
import { prefs } from './prefs.svelte.ts';
import { thread } from './thread.svelte.ts';
import { toasts } from './toast.svelte.ts';

/** Everything that is done with what is being written. */
export const writer = {
  /** Writes a new message, or goes on with a kept one. */
  write(draft: Draft = newDraft()): void { compose.window = draft; },

  /** Writes what another program has begun. */
  take(query: string): void { compose.window = { ...newDraft(), ...shared(query) }; },

  /** Replies in the open conversation. */
  reply(message: Message, all: boolean): void { writer.keep(compose.inline); compose.quiet = false; compose.inline = replyDraft(message, all); },

  /** Shows the reply that was begun in a conversation earlier, if there is one. */
  takeUp(thread: string): void {
    // A conversation opened first of all comes before the drafts are read.
    if (!drafts.loaded) drafts.load();
    const kept = drafts.all.find((draft) => draft.kind === 'reply' && draft.thread === thread);
    if (kept === undefined || compose.inline !== null || compose.window?.key === kept.key) return;
    compose.quiet = true;
    compose.inline = { ...kept };
  },

  /** Sends a message on, in its own window. */
  forward(message: Message): void { writer.keep(compose.window); compose.window = forwardDraft(message); },

  /** Opens a kept draft where it belongs. */
  resume(draft: Draft): void { compose.quiet = false; if (draft.kind === 'reply' && draft.thread === thread.id) compose.inline = draft; else compose.window = draft; },

  /** Keeps a draft, or drops it if nothing is in it. */
  keep(draft: Draft | null): void {
    if (draft === null) return;
    if (worthKeeping(draft)) drafts.save($state.snapshot(draft)); else drafts.remove(draft.key);
  },

  /** Sends a draft: kept in the outbox first, so that it goes out whatever happens to this page. Throws `Problem` if the server
   *  refuses it; then the draft is still there, and sent at most once however often this is tried again. */
  async send(draft: Draft): Promise<void> {
    const undo = prefs.undo;
    const body = outgoing($state.snapshot(draft), undo);
    const attempt = attemptFor(draft, JSON.stringify(body), () => crypto.randomUUID());
    draft.attempt = attempt;
    const kept = $state.snapshot(draft);
    drafts.save(kept);
    const names = join([...kept.to, ...kept.cc, ...kept.bcc].map((who) => nameOf(who)));
    const handed = pending.hand({ kind: 'send', draft: kept, body, key: attempt.key, forward: draft.kind === 'forward' ? draft.source : null, title: kept.subject || texts.noSubject });
    const { op, outcome } = await handed;
    let result;
    try {
      result = await outcome;
    } catch (problem) {
      await drop(op.id); // it is shown where it is written
      throw problem;
    }
    compose.close(draft);
    drafts.remove(draft.key);
    // A message that was taken back has used up its key.
    const reopen = (): void => { writer.resume({ ...kept, attempt: null, later: null }); drafts.save({ ...kept, attempt: null, later: null }); toasts.show(texts.sent.takenBack); };
    if (result.state === 'waits') {
      toasts.show(texts.outbox.queued, { undo: () => void drop(op.id).then((there) => { if (there) reopen(); else toasts.show(texts.sent.tooLate, { bad: true }); }) });
      return;
    }
    const accepted = result.answer as Accepted;
    const takeBack = async (): Promise<void> => {
      try {
        await mail.cancel(accepted.id);
        reopen();
      } catch (error) {
        toasts.show(error instanceof Problem && error.status === 409 ? texts.sent.tooLate : texts.actions.failed((error as Error).message), { bad: true });
      }
      await Promise.allSettled([thread.refresh([accepted.id]), list.refresh([accepted.thread_id]), boxes.load()]);
    };
    const until = accepted.undo_until === null ? 0 : Date.parse(accepted.undo_until) - Date.now();
    if (accepted.state === 'scheduled') toasts.show(texts.sent.later(moment(kept.later ?? 0, Date.now())), { undo: () => void takeBack() });
    else toasts.show(texts.sent.to(names), accepted.state === 'held' ? { undo: () => void takeBack(), ms: Math.max(1000, Math.min(until || undo * 1000, undo * 1000)) } : {});
    await Promise.allSettled([thread.refresh(), list.refresh([accepted.thread_id]), boxes.load()]);
   },
};
