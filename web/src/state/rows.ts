// Rows of the list: the few things of a thread or message that a row shows, so that a hundred thousand stay small.
import { join, texts } from '../texts.ts';
import { firstName, nameOf } from '../words/address.ts';
import { baseSubject } from '../words/subject.ts';
import { moment, dayStart } from '../words/time.ts';
import type { Address, DeliveryCounts, Message, MessageSummary, Thread, ThreadDetail } from '../wire/types.ts';

/** One row. `key` is the thread's id, or the message's in a filtered list (`single`). */
export interface Row {
  key: string; thread: string; single: boolean;
  /** The newest message here, which stands for the row. */
  message: { id: string; mailbox: string; seen: boolean; flagged: boolean; keywords: readonly string[]; snoozed: string | null };
  count: number; who: Address; names: string; subject: string; preview: string; at: number;
  unread: boolean; flagged: boolean; attachment: boolean; labels: readonly string[];
  waiting: { promise: string; deadline: number | null; mine: boolean } | null;
  delivery: DeliveryCounts | null; held: boolean;
}

const subjectOf = (subject: string): string => baseSubject(subject).trim() || texts.noSubject;

function people(latest: MessageSummary, participants: readonly (Address & { me?: boolean })[], asks = false): { who: Address; names: string } {
  const none: Address = { name: null, address: '' };
  const others = participants.filter((each) => each.me !== true);
  if (latest.direction === 'out' && others.length <= 1) {
    const to = latest.to[0] ?? others[0] ?? latest.cc[0] ?? none;
    return { who: to, names: texts.list.to(join(latest.to.length > 0 ? latest.to.map((each) => nameOf(each)) : [nameOf(to)])) };
  }
  const who = latest.direction === 'out' ? (others[0] ?? none) : (latest.from ?? others[0] ?? none);
  if (participants.length <= 2 || (asks && latest.direction === 'in')) return { who, names: nameOf(who) };
  return { who, names: participants.slice(0, 3).map((each) => (each.me === true ? texts.youInList : firstName(each))).join(', ') };
}

const mark = (message: MessageSummary | Message): Row['message'] =>
  ({ id: message.id, mailbox: message.mailbox, seen: message.seen, flagged: message.flagged, keywords: message.keywords, snoozed: message.snoozed_until ?? null });

/** The row of a thread in a list of threads. */
export function fromThread(thread: Thread): Row {
  const { latest } = thread;
  return {
    key: thread.id, thread: thread.id, single: false,
    message: mark(latest),
    count: thread.message_count, ...people(latest, thread.participants, thread.waiting !== null), subject: subjectOf(thread.subject), preview: latest.preview,
    at: Date.parse(latest.received_at), unread: thread.unread_count > 0, flagged: thread.flagged, attachment: thread.has_attachment, labels: latest.keywords,
    waiting: thread.waiting === null ? null : { promise: thread.waiting.promise_id, deadline: thread.waiting.deadline === null ? null : Date.parse(thread.waiting.deadline), mine: true },
    delivery: latest.delivery, held: latest.state === 'held',
  };
}

/** Of a question of ours: who has answered, and who has not. */
function asking(message: MessageSummary | Message): string | null {
  const { ask } = message;
  if (ask === null || ask.role !== 'asker' || !('asked' in ask) || ask.asked.length === 0) return null;
  const known = new Map([...message.to, ...message.cc].map((who) => [who.address.toLowerCase(), who]));
  const names = (list: typeof ask.asked): string => join(list.map(({ address }) => firstName(known.get(address.toLowerCase()) ?? { name: null, address })));
  const done = ask.asked.filter((each) => each.answered || each.declined);
  const open = ask.asked.filter((each) => !each.answered && !each.declined);
  return done.length === 0 ? texts.list.noneAnswered(names(open)) : open.length === 0 ? texts.list.allAnswered(names(done)) : texts.list.someAnswered(names(done), names(open));
}

/** The row of one message, for filtered lists and lists of questions. */
export function fromMessage(message: MessageSummary | Message, key = message.id): Row {
  const { ask } = message;
  return {
    key, thread: message.thread_id, single: true,
    message: mark(message),
    count: 1, ...people(message as MessageSummary, message.from === null ? [] : [message.from]), subject: subjectOf(message.subject), preview: asking(message) ?? message.preview,
    at: Date.parse(message.received_at), unread: !message.seen, flagged: message.flagged, attachment: message.has_attachment, labels: message.keywords,
    waiting: ask === null || ask.state !== 'pending' ? null : { promise: ask.promise_id, deadline: ask.deadline === null ? null : Date.parse(ask.deadline), mine: ask.role === 'asked' },
    delivery: message.delivery, held: message.state === 'held',
  };
}

/** A thread as the list of `mailbox` shows it, or null if it has nothing there. */
export function inMailbox(thread: ThreadDetail, mailbox: string): Row | null {
  const here = thread.messages.filter((each) => each.mailbox === mailbox || each.mailbox_id === mailbox);
  const latest = here[here.length - 1];
  return latest === undefined ? null : fromThread({ ...thread, latest });
}

/** The one pill of a row, if any. */
export function pill(row: Row, now: number): { tone: 'ask' | 'soft' | 'bad' | 'plain'; text: string; clock: boolean } | null {
  if (row.waiting !== null) {
    const { deadline, mine } = row.waiting;
    if (deadline === null) return { tone: 'soft', text: texts.pills.noDeadline, clock: false };
    if (deadline <= now) return { tone: 'soft', text: texts.pills.late, clock: false };
    const soon = deadline < dayStart(now, 1);
    const time = moment(deadline, now);
    return soon ? { tone: mine ? 'ask' : 'soft', text: texts.pills.by(time), clock: true } : { tone: 'soft', text: time.charAt(0).toUpperCase() + time.slice(1), clock: false };
  }
  if (row.message.snoozed !== null) return { tone: 'plain', text: texts.pills.snoozed(moment(Date.parse(row.message.snoozed), now)), clock: true };
  if (row.held) return { tone: 'plain', text: texts.pills.held, clock: false };
  if (row.delivery !== null) {
    if (row.delivery.failed > 0) return { tone: 'bad', text: texts.pills.failed, clock: false };
    if (row.delivery.delayed > 0) return { tone: 'bad', text: texts.pills.delayed, clock: false };
    if (row.delivery.scheduled > 0) return { tone: 'plain', text: texts.pills.scheduled, clock: false };
  }
  return null;
}

/** Where a row of this time and key stands, or -1, found by halving: rows stand in the order of their times (newest first, then by key). */
export function find(rows: readonly Row[], key: string, at: number): number {
  // The server may order rows of the same time otherwise: all of them are looked at, and no key is greater than this one.
  for (let near = before(rows, '\uffff', at); rows[near]?.at === at; near += 1) if (rows[near]?.key === key) return near;
  return -1;
}

/** How many rows stand before a row of this time and key. */
function before(rows: readonly Row[], key: string, at: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = rows[middle] as Row;
    if (other.at > at || (other.at === at && other.key > key)) low = middle + 1; else high = middle;
  }
  return low;
}

/** Puts a row where its time says (newest first, then by key), replacing the one of the same key; null takes it out. The given list stays. */
export function place(rows: readonly Row[], key: string, row: Row | null): Row[] {
  const same = row === null ? -1 : find(rows, key, row.at);
  const at = same >= 0 ? same : rows.findIndex((each) => each.key === key);
  const out = rows.slice();
  if (at >= 0) {
    if (row !== null && rows[at]?.at === row.at) { out[at] = row; return out; }
    out.splice(at, 1);
  }
  if (row !== null) out.splice(before(out, key, row.at), 0, row);
  return out;
}

/** The keys of the list that a page was added to last: it is mostly the one that gets the next page. */
let latest: { rows: readonly Row[]; keys: Set<string> } = { rows: [], keys: new Set() };

/** Adds a further page, leaving out what is there already: rows may have moved up between two pages. */
export function append(rows: readonly Row[], page: readonly Row[]): Row[] {
  const keys = latest.rows === rows ? latest.keys : new Set(rows.map((row) => row.key));
  const out = rows.concat(page.filter((row) => !keys.has(row.key)));
  for (const row of page) keys.add(row.key);
  latest = { rows: out, keys };
  return out;
}
