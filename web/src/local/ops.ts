// What waits to be sent to the server: changes of messages, answers, and messages written. Plain data, as it is kept.
import type { Draft } from '../state/drafts.svelte.ts';
import type { Row } from '../state/rows.ts';
import type { MessageChange, Outgoing } from '../wire/types.ts';

/** A message as it was before a change. */
export interface Was { id: string; mailbox: string; seen: boolean; flagged: boolean; keywords: readonly string[]; snoozed: string | null }
/** A row that was acted on in a mailbox (null: in a list of questions). `messages` is null until it is known which ones it stands for. */
export interface Target { row: Row; box: string | null; messages: Was[] | null }

/** What every waiting thing has. `waited` says that it could not be sent at once, so that others may have acted meanwhile. */
interface Waiting { id: number; at: number; waited: boolean; title: string; failed: { code: string; detail: string } | null }
/** Marks, a move, labels: of all messages that rows stand for, or of the newest of each only. */
export interface ChangeOp extends Waiting { kind: 'change'; set: MessageChange; pick: 'here' | 'newest'; targets: Target[]; quiet: boolean }
/** The same for all that a query finds. `ids` are those that were changed so far, for undoing it. */
export interface QueryOp extends Waiting { kind: 'query'; query: Record<string, unknown>; box: string; set: MessageChange; ids: string[] }
/** Deleting for good. */
export interface DestroyOp extends Waiting { kind: 'destroy'; targets: Target[] }
/** A message to be sent, with the draft it came from. `forward` is the message sent on. */
export interface SendOp extends Waiting { kind: 'send'; draft: Draft; body: Outgoing; key: string; forward: string | null }
/** An answer to a question. */
export interface AnswerOp extends Waiting { kind: 'answer'; promise: string; message: string; thread: string; body: AnswerBody; key: string }
/** Anything that waits. */
export type Op = ChangeOp | QueryOp | DestroyOp | SendOp | AnswerOp;
/** One that is not kept yet. */
export type Fresh<T extends Op = Op> = T extends Op ? Omit<T, keyof Waiting> & { title: string } : never;

/** What is given back to a question. */
export interface AnswerBody { value?: unknown; comment?: string; decline?: string; correction?: string; undo?: string }

/** What a change does to a message, as far as this page shows it. */
export interface Effect { mailbox: string | undefined; seen: boolean | undefined; flagged: boolean | undefined; add: readonly string[]; remove: readonly string[]; snoozed: string | null | undefined }
/** The effect of a change. */
export const effectOf = (set: MessageChange): Effect => ({
  mailbox: set.snoozed_until ? 'snoozed' : set.mailbox, seen: set.seen, flagged: set.flagged, add: set.add_keywords ?? [], remove: set.remove_keywords ?? [],
  snoozed: set.snoozed_until,
});

/** A message with an effect applied. */
export function affected<T extends { mailbox: string; seen: boolean; flagged: boolean; keywords: readonly string[] }>(message: T, effect: Effect): T {
  return {
    ...message, mailbox: effect.mailbox ?? message.mailbox, seen: effect.seen ?? message.seen, flagged: effect.flagged ?? message.flagged,
    ...(effect.add.length + effect.remove.length === 0 ? {} : { keywords: [...new Set([...message.keywords.filter((each) => !effect.remove.includes(each)), ...effect.add])].sort() }),
  };
}
