// Drafts: kept on this device with every pause in typing, until they are sent or discarded.
import { nameOf } from '../words/address.ts';
import { forwardSubject, quoted, recipients, replySubject } from '../words/reply.ts';
import type { Address, Message } from '../wire/types.ts';
import { session } from './session.svelte.ts';

/** A file of a draft. `upload` is the server's name for it once it is there; `share` goes from 0 to 1 until then. */
export interface DraftFile { id: string; name: string; type: string; size: number; upload: string | null; share: number; problem: string | null }
/** A message being written. `source` is the message replied to or forwarded. */
export interface Draft {
  key: string; kind: 'new' | 'reply' | 'forward'; source: string | null; thread: string | null; sourceSubject: string;
  to: Address[]; cc: Address[]; bcc: Address[]; subject: string; text: string; quote: string | null; files: DraftFile[];
  updated: number;
  /** The last try at sending: the same content is sent with the same key again, so that it is sent once. */
  attempt: { key: string; body: string } | null;
}

const prefix = (): string => `restante.draft.${session.me?.id ?? ''}.`;

function read(key: string): Draft | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') as Draft | null;
  } catch {
    return null;
  }
}

class Drafts {
  /** All kept drafts, the newest first. */
  all: Draft[] = $state.raw([]);

  /** Reads what is kept for the account that is signed in. */
  load(): void {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix()));
    this.all = keys.map(read).filter((draft) => draft !== null).sort((a, b) => b.updated - a.updated);
  }

  /** Keeps a draft. Files that are not uploaded yet are left out: their bytes are not here. */
  save(draft: Draft): void {
    const kept = { ...draft, files: draft.files.filter((file) => file.upload !== null), updated: Date.now() };
    try { localStorage.setItem(prefix() + draft.key, JSON.stringify(kept)); } catch { /* storage is full: the window still has it */ }
    this.all = [kept, ...this.all.filter((each) => each.key !== draft.key)];
  }

  /** Drops a draft. */
  remove(key: string): void {
    localStorage.removeItem(prefix() + key);
    this.all = this.all.filter((each) => each.key !== key);
  }

  /** The kept draft of a key. */
  find(key: string): Draft | null { return this.all.find((each) => each.key === key) ?? null; }

  /** Drops every draft of this device, of whichever account: nothing of a mailbox stays after signing out. */
  clear(): void {
    for (const key of Object.keys(localStorage)) if (key.startsWith('restante.draft.')) localStorage.removeItem(key);
    this.all = [];
  }
}

/** The drafts of this device. */
export const drafts = new Drafts();

const blank = (key: string, kind: Draft['kind']): Draft => ({
  key, kind, source: null, thread: null, sourceSubject: '', to: [], cc: [], bcc: [], subject: '', text: '', quote: null, files: [], updated: 0, attempt: null,
});

/** Whether there is anything in a draft that its reader would miss. */
export const worthKeeping = (draft: Draft): boolean =>
  draft.text.trim() !== '' || draft.files.length > 0 || (draft.kind === 'new' && (draft.subject.trim() !== '' || draft.to.length + draft.cc.length + draft.bcc.length > 0));

/** An empty message. */
export const newDraft = (): Draft => blank(`new.${crypto.randomUUID()}`, 'new');

/** A reply to a message; a kept draft of the same is taken up again. */
export function replyDraft(message: Message, all: boolean): Draft {
  const key = `reply.${message.id}`;
  const kept = drafts.find(key);
  const { to, cc } = recipients(message, session.mine, all);
  if (kept !== null) return { ...kept, to: unionOf(kept.to, all ? to : []), cc: unionOf(kept.cc, all ? cc : []) };
  return { ...blank(key, 'reply'), source: message.id, thread: message.thread_id, sourceSubject: message.subject, to, cc, subject: replySubject(message.subject), quote: quoted(message) };
}

/** A message that sends another one on. */
export function forwardDraft(message: Message): Draft {
  const key = `forward.${message.id}`;
  return drafts.find(key) ?? {
    ...blank(key, 'forward'), source: message.id, thread: message.thread_id, sourceSubject: message.subject, subject: forwardSubject(message.subject),
  };
}

function unionOf(one: readonly Address[], other: readonly Address[]): Address[] {
  return [...one, ...other.filter((who) => !one.some((each) => each.address.toLowerCase() === who.address.toLowerCase()))];
}

/** What a row of the list of drafts says. */
export const draftNames = (draft: Draft): string => [...draft.to, ...draft.cc, ...draft.bcc].map((who) => nameOf(who)).join(', ');
