// Drafts: kept on this device with every pause in typing, and on the server a second later, until they are sent or discarded.
import { drafts as wire, type KeptDraft } from '../wire/api.ts';
import { Problem } from '../wire/http.ts';
import { nameOf, parseAddress } from '../words/address.ts';
import { forwardSubject, quoted, recipients, replySubject } from '../words/reply.ts';
import type { Address, Message } from '../wire/types.ts';
import { compose } from './compose.svelte.ts';
import { session } from './session.svelte.ts';

/** A file of a draft. `upload` is the server's name for it once it is there; `share` goes from 0 to 1 until then. */
export interface DraftFile { id: string; name: string; type: string; size: number; upload: string | null; share: number; problem: string | null }
/** A message being written. `source` is the message replied to or forwarded. */
export interface Draft {
  key: string; kind: 'new' | 'reply' | 'forward'; source: string | null; thread: string | null; sourceSubject: string;
  to: Address[]; cc: Address[]; bcc: Address[]; subject: string; text: string; quote: string | null; files: DraftFile[];
  updated: number;
  /** Its name on the server, once it is to be kept there. */
  kept?: string;
  /** When it is to go out, in milliseconds; absent: at once. */
  later?: number | null;
  /** The last try at sending: the same content is sent with the same key again, so that it is sent once. */
  attempt: { key: string; body: string } | null;
}

/** So long after the last change a draft goes to the server, in milliseconds. */
const AFTER = 1000;
const prefix = (): string => `restante.draft.${session.me?.id ?? ''}.`;

function read(key: string): Draft | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') as Draft | null;
  } catch {
    return null;
  }
}

class Drafts {
  #all: Draft[] = $state.raw([]);
  /** All kept drafts, the newest first. */
  get all(): Draft[] { return this.#all; }
  set all(all: Draft[]) { this.#all = all; compose.drafts = all.length; }

  /** Whether what is kept has been read. */
  loaded = false;

  /** Reads what is kept for the account that is signed in. */
  load(): void {
    this.loaded = true;
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix()) && !key.endsWith('.gone'));
    this.all = keys.map(read).filter((draft) => draft !== null).sort((a, b) => b.updated - a.updated);
  }

  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Drafts whose last change the server does not have. */
  readonly #owed = new Set<string>();

  /** Takes in what was written in other browsers, and hands over what the server does not have yet. */
  async sync(): Promise<void> {
    if (!this.loaded) this.load();
    for (const gone of this.#gone()) await this.#removeThere(gone);
    for (const key of [...this.#owed]) await this.#put(key);
    const { items } = await wire.list();
    const there = new Set<string>();
    for (const item of items) {
      const draft = fromServer(item);
      if (draft === null) continue;
      there.add(draft.key);
      const mine = this.find(draft.key);
      if (mine === null || (mine.updated < draft.updated && !this.#owed.has(draft.key))) this.#write(draft);
    }
    // What was kept there and is not any more was sent or discarded elsewhere.
    for (const draft of this.all) {
      const writing = compose.inline?.key === draft.key || compose.window?.key === draft.key;
      if (draft.kept !== undefined && !there.has(draft.key) && !this.#owed.has(draft.key) && !writing && items.length < 200) this.#drop(draft.key);
    }
  }

  #later(key: string): void {
    this.#owed.add(key);
    clearTimeout(this.#timers.get(key));
    this.#timers.set(key, setTimeout(() => void this.#put(key), AFTER));
  }
  async #put(key: string): Promise<void> {
    const draft = this.find(key);
    if (draft?.kept === undefined) { this.#owed.delete(key); return; }
    try {
      await wire.put(draft.kept, toServer(draft));
      if (this.find(key)?.updated === draft.updated) this.#owed.delete(key);
    } catch (error) {
      if (error instanceof Problem && !error.offline && error.status < 500) this.#owed.delete(key); // it stays on this device
    }
  }
  #gone(): string[] { try { return JSON.parse(localStorage.getItem(`${prefix()}gone`) ?? '[]') as string[]; } catch { return []; } }
  async #removeThere(kept: string): Promise<void> {
    const rest = new Set([...this.#gone(), kept]);
    try { await wire.remove(kept); rest.delete(kept); } catch (error) { if (error instanceof Problem && error.status === 404) rest.delete(kept); }
    try { if (rest.size > 0) localStorage.setItem(`${prefix()}gone`, JSON.stringify([...rest].slice(-100))); else localStorage.removeItem(`${prefix()}gone`); } catch { /* it comes back, and is discarded again */ }
  }

  /** Keeps a draft. Files that are not uploaded yet are left out: their bytes are not here. */
  save(draft: Draft): void {
    const files = draft.files.filter((file) => file.upload !== null);
    this.#write({ ...draft, files, updated: Date.now(), kept: draft.kept ?? this.find(draft.key)?.kept ?? crypto.randomUUID() });
    this.#later(draft.key);
  }
  #write(draft: Draft): void {
    try { localStorage.setItem(prefix() + draft.key, JSON.stringify(draft)); } catch { /* storage is full: the window still has it */ }
    this.all = [draft, ...this.all.filter((each) => each.key !== draft.key)];
  }

  /** Drops a draft. */
  remove(key: string): void {
    const kept = this.find(key)?.kept;
    this.#drop(key);
    if (kept !== undefined) void this.#removeThere(kept);
  }
  #drop(key: string): void {
    clearTimeout(this.#timers.get(key));
    this.#owed.delete(key);
    localStorage.removeItem(prefix() + key);
    this.all = this.all.filter((each) => each.key !== key);
  }

  /** The kept draft of a key. */
  find(key: string): Draft | null { return this.all.find((each) => each.key === key) ?? null; }

  /** Drops every draft of this device, of whichever account: nothing of a mailbox stays after signing out. */
  clear(): void {
    for (const key of Object.keys(localStorage)) if (key.startsWith('restante.draft.')) localStorage.removeItem(key);
    this.all = [];
    this.loaded = false;
  }
}

/** What the composer alone knows, in the metadata of the server's draft. */
interface Composer { key: string; kind: Draft['kind']; source: string | null; thread: string | null; sourceSubject: string; quote: string | null; files: DraftFile[] }

function toServer(draft: Draft): KeptDraft['draft'] {
  const { key, kind, source, thread, sourceSubject, quote, files } = draft;
  const bare = (list: Address[]): Address[] => list.map(({ name, address }) => ({ name, address }));
  return {
    to: bare(draft.to), cc: bare(draft.cc), bcc: bare(draft.bcc), subject: draft.subject, text: draft.text,
    attachments: files.map((file) => ({ upload_id: file.upload as string, filename: file.name, content_type: file.type })),
    metadata: { composer: { key, kind, source, thread, sourceSubject, quote, files } satisfies Composer },
  };
}

function fromServer({ id, updated_at, draft }: KeptDraft): Draft | null {
  const composer = (draft.metadata as { composer?: Composer } | undefined)?.composer;
  if (composer === undefined) return { ...blank(`new.${id}`, 'new'), to: addresses(draft.to), cc: addresses(draft.cc), bcc: addresses(draft.bcc), subject: draft.subject ?? '', text: draft.text ?? '', updated: Date.parse(updated_at), kept: id };
  return {
    ...blank(composer.key, composer.kind), ...composer, to: addresses(draft.to), cc: addresses(draft.cc), bcc: addresses(draft.bcc),
    subject: draft.subject ?? '', text: draft.text ?? '', updated: Date.parse(updated_at), kept: id,
  };
}
// Other programs may write an address as a text.
const addresses = (list: readonly (Address | string)[] | undefined): Address[] =>
  (list ?? []).map((each) => (typeof each === 'string' ? (parseAddress(each) ?? { name: null, address: each }) : { name: each.name ?? null, address: each.address }));

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
