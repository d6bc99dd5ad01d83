// The list: pages of rows behind one cursor, kept right by the log.
import { Problem } from '../wire/http.ts';
import * as mirror from '../local/mirror.ts';
import { mail, type MessageQuery } from '../wire/api.ts';
import type { Op } from '../local/ops.ts';
import { boxes } from './boxes.svelte.ts';

import { overlay } from './overlay.ts';
import { pending } from './pending.svelte.ts';
import { wholesale, type Plan } from './plan.ts';
import type { Box } from './route.svelte.ts';
import { source } from './source.ts';
import { append, fromMessage, fromThread, inMailbox, place, type Row } from './rows.ts';

/** What the tabs choose. */
export type Tab = 'all' | 'unread' | 'starred';
const PAGE = 200;
/** So many pinned rows, and rows of questions, are fetched one by one at most. */
const QUESTIONS = 50;
/** The keyword of what has come back from being snoozed. */
const WOKEN = '$woken';
/** Where a search in the copy looks. */
const SEARCHED = ['inbox', 'archive', 'sent', 'snoozed'];

interface Fetched { rows: Row[]; next: string | null; asOf: string | null }

class List {
  box: Box = $state.raw({ kind: 'mailbox', ref: 'inbox' });
  tab: Tab = $state('all');
  filter = $state('');
  /** What stands in the search field. */
  typed = $state('');
  /** A search looks everywhere but in the trash and junk, not only in this mailbox. */
  everywhere = $state(true);
  status: 'loading' | 'ready' | 'failed' = $state('loading');
  problem: Problem | null = $state.raw(null);
  loadingMore = $state(false);
  /** The row the keys act on. */
  active: string | null = $state(null);
  /** Rows chosen for doing something with all of them. */
  selected: ReadonlySet<string> = $state.raw(new Set());
  selecting = $state(false);
  #rest: Row[] = $state.raw([]);
  #pinned: Row[] = $state.raw([]);
  #next: string | null = $state(null);
  #round = 0;
  #abort = new AbortController();
  /** Whether what is shown comes from the copy in this browser alone. */
  copy = $state(false);
  /** Everything the query finds is chosen, not only what is loaded. */
  everything: { query: Record<string, unknown>; count: number | null } | null = $state.raw(null);

  readonly #mailbox = $derived(this.box.kind !== 'mailbox' ? null : this.searchesAll ? '*' : this.box.ref);
  readonly #top: Row[] = $derived(laid(this.#pinned, this.#mailbox, pending.ops));
  /** All rows, pinned ones first, with what waits to be sent laid over them. */
  readonly rows: Row[] = $derived.by(() => {
    const rest = overlay(this.#rest, this.#mailbox, pending.ops);
    if (this.#top.length === 0) return rest;
    const pinned = new Set(this.#top.map((row) => row.key));
    return this.#top.concat(rest.filter((row) => !pinned.has(row.key)));
  });
  #near = 0;
  /** Where the active row stands, or -1. Looked for beside where it stood the last time first: most keys move by one. */
  readonly at: number = $derived.by(() => {
    const { rows, active } = this;
    if (active === null) return -1;
    for (let at = Math.max(0, this.#near - 2); at <= this.#near + 2; at += 1) if (rows[at]?.key === active) { this.#near = at; return at; }
    this.#near = rows.findIndex((row) => row.key === active);
    return this.#near;
  });

  /** Whether a search looks beyond this mailbox. */
  get searchesAll(): boolean { return this.filter !== '' && this.everywhere && this.box.kind === 'mailbox' && this.box.ref !== 'trash' && this.box.ref !== 'junk'; }
  /** The query that finds what is listed. */
  async query(): Promise<MessageQuery> {
    const { placed, terms, toServer } = await import('./query.ts');
    const typed = terms(this.filter);
    const all = this.searchesAll;
    const q = toServer(typed) + (all && !placed(typed) ? ' -in:trash -in:junk' : '');
    return {
      ...(all || this.box.kind !== 'mailbox' || placed(typed) ? {} : { mailbox: this.box.ref }), ...(q.trim() === '' ? {} : { q: q.trim() }),
      ...(this.tab === 'unread' ? { seen: false } : {}), ...(this.tab === 'starred' ? { flagged: true } : {}),
    };
  }

  /** How many rows are pinned on top. */
  get pinned(): number { return this.#top.length; }
  /** How many of these have come back from being snoozed. */
  get woken(): number { return this.#top.filter((row) => row.waiting === null).length; }
  /** Whether there are further pages. */
  get more(): boolean { return this.#next !== null; }
  /** Whether rows stand for single messages. */
  get single(): boolean { return this.box.kind !== 'mailbox' || this.filter !== ''; }
  /** The rows that an action is meant for: the chosen ones, else the active one. */
  get targets(): Row[] {
    if (this.selected.size > 0) return this.rows.filter((row) => this.selected.has(row.key));
    const row = this.rows[this.at];
    return row === undefined ? [] : [row];
  }

  /** Shows another list, from its top. Returns the cursor the log goes on from. */
  async open(box: Box, tab: Tab = 'all', filter = ''): Promise<string | null> {
    this.box = box; this.tab = tab; this.filter = filter;
    if (this.typed.trim() !== filter) this.typed = filter;
    this.#rest = []; this.#pinned = []; this.#next = null;
    this.selectNone(); this.active = null;
    this.status = 'loading';
    const round = ++this.#round;
    if (this.#plain) {
      // What was there the last time is shown before the server has answered.
      const kept = await mirror.rows((box as { ref: string }).ref, mirror.FIRST);
      if (round !== this.#round) return null;
      if (kept.length > 0) { this.#rest = kept.map(fromThread); this.copy = true; this.status = 'ready'; this.#pinKnown(); }
    }
    return this.reload();
  }

  /** Searches for this. */
  search(text: string): void { this.typed = text.trim(); void this.open(this.box, this.tab, this.typed); }
  /** Searches everywhere, or here only. */
  look(everywhere: boolean): void { this.everywhere = everywhere; void this.open(this.box, this.tab, this.filter); }

  /** Whether the list is a mailbox, unfiltered: what is kept in this browser. */
  get #plain(): boolean { return this.box.kind === 'mailbox' && this.tab === 'all' && this.filter === ''; }

  /** Chooses every row that is loaded; if it was so already, everything that is not loaded, too. */
  selectAll(): void {
    const all = this.rows.length > 0 && this.rows.every((row) => this.selected.has(row.key));
    if (all && this.more && this.box.kind === 'mailbox' && !this.copy) { void this.query().then((query) => { this.everything = { query: { ...query }, count: null }; }); return; }
    this.selected = new Set(this.rows.map((row) => row.key));
  }

  /** Chooses nothing any more. */
  selectNone(): void { if (this.selected.size > 0) this.selected = new Set(); this.selecting = false; this.everything = null; }

  /** Fetches again what is shown: as many rows as there are, in the same place. Returns the cursor the log goes on from. */
  async reload(): Promise<string | null> {
    const round = ++this.#round;
    this.#abort.abort();
    this.#abort = new AbortController();
    // Of a copy, the first page is enough: the rest is fetched as it is scrolled to.
    const wanted = this.copy ? 0 : Math.min(this.#rest.length, 10 * PAGE);
    try {
      const first = await this.#fetch(null, mirror.FIRST);
      while (first.next !== null && first.rows.length < wanted) {
        const further = await this.#fetch(first.next, PAGE);
        first.rows = append(first.rows, further.rows);
        first.next = further.next;
      }
      if (round !== this.#round) return first.asOf;
      this.#rest = first.rows; this.#next = first.next;
      this.status = 'ready'; this.problem = null; this.copy = false;
      await this.pin();
      return first.asOf;
    } catch (error) {
      if (round !== this.#round) return null;
      this.problem = error instanceof Problem ? error : new Problem(0, 'unexpected', String(error));
      if (this.problem.offline && this.status === 'loading') await this.#fromCopy(round);
      else if (this.status === 'loading') this.status = 'failed';
      return null;
    }
  }

  /** Without the server: what can be found in the copy. */
  async #fromCopy(round: number): Promise<void> {
    const ref = this.#mailbox;
    const synced = await mirror.fact<string[]>('synced');
    const { localTest, terms } = await import('./query.ts');
    const words = terms(this.filter);
    const test = (thread: Parameters<typeof fromThread>[0]): boolean => (this.tab !== 'unread' || thread.unread_count > 0) && (this.tab !== 'starred' || thread.flagged) && localTest(words)(thread);
    const found = this.box.kind === 'mailbox' ? await mirror.search(ref === '*' ? null : ref, SEARCHED, test, PAGE) : [];
    if (round !== this.#round) return;
    if (found.length === 0 && ref !== null && ref !== '*' && synced?.includes(ref) !== true) { this.status = 'failed'; return; }
    this.#rest = found.map(fromThread); this.copy = true; this.status = 'ready';
    if (this.#plain) this.#pinKnown();
  }

  /** Fetches the next page, if there is one and none is on its way. */
  async loadMore(): Promise<void> {
    if (this.loadingMore || this.status !== 'ready') return;
    const round = this.#round;
    if (this.copy && this.#plain) {
      const last = this.#rest[this.#rest.length - 1];
      if (last === undefined) return;
      const page = await mirror.rows(this.#mailbox ?? '', PAGE, { at: last.at, id: last.key });
      if (round === this.#round && this.copy) this.#rest = append(this.#rest, page.map(fromThread));
      return;
    }
    if (this.#next === null) return;
    this.loadingMore = true;
    try {
      const page = await this.#fetch(this.#next, PAGE);
      if (round !== this.#round) return;
      this.#rest = append(this.#rest, page.rows);
      this.#next = page.next;
    } catch (error) {
      if (round === this.#round && error instanceof Problem) this.problem = error;
    } finally {
      this.loadingMore = false;
    }
  }

  async #fetch(cursor: string | null, limit: number): Promise<Fetched> {
    const { signal } = this.#abort;
    const tab = { ...(this.tab === 'unread' ? { seen: false } : {}), ...(this.tab === 'starred' ? { flagged: true } : {}) };
    if (this.box.kind === 'drafts') return { rows: [], next: null, asOf: null };
    if (this.box.kind !== 'mailbox') {
      await boxes.loadPromises().catch((error: unknown) => { if (!(error instanceof Problem && error.offline)) throw error; });
      const open = (this.box.kind === 'asked' ? boxes.asked : boxes.asker).filter((each) => each.message_id !== null).slice(0, QUESTIONS);
      const rows = await Promise.all(open.map(async (each) => messageRow(each.message_id as string)));
      const sorted = rows.filter((row) => row !== null).sort((a, b) => (a.waiting?.deadline ?? Infinity) - (b.waiting?.deadline ?? Infinity) || b.at - a.at);
      return { rows: sorted, next: null, asOf: null };
    }
    if (this.filter !== '') {
      const page = await mail.messages({ ...(await this.query()), cursor, limit }, signal);
      return { rows: page.items.map((each) => fromMessage(each)), next: page.next_cursor, asOf: page.as_of ?? null };
    }
    const page = await mail.threads({ mailbox: this.box.ref, ...tab, cursor, limit }, signal);
    if (this.tab === 'all') {
      const last = cursor === null ? undefined : this.#rest[this.#rest.length - 1];
      void mirror.putPage(this.box.ref, page.items, last === undefined ? null : { at: last.at, id: last.key }, page.next_cursor === null);
    }
    return { rows: page.items.map(fromThread), next: page.next_cursor, asOf: page.as_of ?? null };
  }

  /** Puts what is here already of them on top. */
  #pinKnown(): void {
    if (this.box.kind !== 'mailbox' || this.box.ref !== 'inbox') return;
    const open = new Set(boxes.asked.map((each) => each.id));
    this.#setPinned(this.#rest.filter((row) => row.waiting === null || open.has(row.waiting.promise)));
  }
  #setPinned(rows: Row[]): void {
    const kept = rows.filter((row) => row.waiting !== null || (row.unread && row.labels.includes(WOKEN)));
    this.#pinned = kept.sort((a, b) => Number(b.waiting !== null) - Number(a.waiting !== null) || (a.waiting?.deadline ?? Infinity) - (b.waiting?.deadline ?? Infinity) || b.at - a.at);
  }

  /** Puts the threads with an open question to us on top of the inbox. */
  async pin(): Promise<void> {
    if (this.box.kind !== 'mailbox' || this.box.ref !== 'inbox' || this.tab !== 'all' || this.filter !== '') { this.#pinned = []; return; }
    const round = this.#round;
    const known = new Map(this.rows.map((row) => [row.waiting?.promise, row]));
    const found = await Promise.all(boxes.asked.slice(0, QUESTIONS).map(async (each) => {
      const row = known.get(each.id);
      if (row !== undefined || each.message_id === null) return row ?? null;
      try {
        const message = await messageRow(each.message_id);
        return message?.message.mailbox === 'inbox' ? await threadRow(message.thread, 'inbox') : null;
      } catch {
        return null; // it comes with its own page of the list
      }
    }));
    if (round !== this.#round) return;
    const back = await mail.threads({ mailbox: 'inbox', keyword: WOKEN, seen: false, limit: QUESTIONS }).catch(() => null);
    if (round !== this.#round) return;
    found.push(...(back?.items ?? []).map(fromThread));
    const once = new Map(found.filter((row) => row !== null).map((row) => [row.key, row]));
    this.#setPinned([...once.values()]);
  }

  /** Takes in what the log told. */
  async apply(plan: Plan): Promise<void> {
    if (this.status === 'loading') return;
    if (this.box.kind === 'drafts') return;
    if (this.box.kind !== 'mailbox') { if (plan.promises || plan.resync) await this.reload(); return; }
    if (wholesale(plan)) { await this.reload(); return; }
    if (this.filter !== '') { if (plan.messages.size > 0) await this.reload(); return; }
    const { ref } = this.box;
    const round = this.#round;
    const threads = [...plan.threads];
    const rows = await Promise.all(threads.map(async (thread) => [thread, await threadRow(thread, ref)] as const));
    if (round !== this.#round) return;
    for (const [thread, row] of rows) this.#put(thread, row);
    if (plan.promises || this.#pinned.some((row) => plan.threads.has(row.key))) await this.pin();
  }

  /** Fetches some threads again and puts them where they belong now. */
  async refresh(threads: Iterable<string>): Promise<void> {
    if (this.single || this.box.kind !== 'mailbox') { await this.reload(); return; }
    const { ref } = this.box;
    const round = this.#round;
    const rows = await Promise.all([...new Set(threads)].map(async (thread) => [thread, await threadRow(thread, ref)] as const));
    if (round !== this.#round) return;
    for (const [thread, row] of rows) this.#put(thread, row);
    await this.pin();
  }

  #put(thread: string, row: Row | null): void {
    const here = this.#rest.some((each) => each.key === thread);
    // What was read or unstarred a moment ago stays until the list is opened anew; it would vanish under the reader's eyes.
    const fits = row !== null && (this.tab === 'all' || (this.tab === 'unread' ? row.unread : row.flagged) || here);
    const last = this.#rest[this.#rest.length - 1];
    // Beyond the last page it will come with its own page.
    if (fits && !here && this.#next !== null && last !== undefined && row.at < last.at) return;
    this.#rest = place(this.#rest, thread, fits ? row : null);
    this.#pinned = row === null ? this.#pinned.filter((each) => each.key !== thread) : this.#pinned.map((each) => (each.key === thread ? row : each));
  }

  /** Moves on from rows that are about to go: the active row becomes the one that follows. */
  drop(keys: ReadonlySet<string>): void {
    const rows = this.rows;
    if (this.active !== null && keys.has(this.active)) {
      const { at } = this;
      const follows = rows.slice(at).find((row) => !keys.has(row.key)) ?? rows.slice(0, at).reverse().find((row) => !keys.has(row.key));
      this.active = follows?.key ?? null;
    }
  }

  /** Takes in what was sent: from now on it is so without being laid over. */
  settle(op: Op): void {
    this.#rest = overlay(this.#rest, this.#mailbox, [op]);
    this.#pinned = laid(this.#pinned, this.#mailbox, [op]);
    if (op.kind === 'query' || (op.kind === 'change' && op.targets.some((target) => target.row.thread === ''))) void this.reload();
  }

  /** Moves the active row by `steps`; returns the row it is now. With `choose`, rows passed are chosen. */
  step(steps: number, choose = false): Row | null {
    const rows = this.rows;
    if (rows.length === 0) return null;
    const { at } = this;
    if (choose && at >= 0) this.#choose([rows[at] as Row]);
    const to = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + steps));
    const row = rows[to] as Row;
    this.active = row.key;
    if (choose) this.#choose([row]);
    return row;
  }

  /** Chooses a row, or gives it back. */
  toggle(key: string): void {
    const next = new Set(this.selected);
    if (!next.delete(key)) next.add(key);
    this.selected = next;
  }
  #choose(rows: readonly Row[]): void { this.selected = new Set([...this.selected, ...rows.map((row) => row.key)]); }

  /** Chooses every row from the active one to `key`. */
  selectTo(key: string): void {
    const rows = this.rows;
    const other = rows.findIndex((row) => row.key === key);
    const one = this.at < 0 ? other : this.at;
    this.#choose(rows.slice(Math.min(one, other), Math.max(one, other) + 1));
    this.active = key;
  }

  /** Forgets everything. */
  clear(): void {
    this.#round += 1; this.#abort.abort();
    this.#rest = []; this.#pinned = []; this.#next = null; this.selectNone(); this.active = null; this.copy = false; this.status = 'loading';
  }
}

/** Pinned rows with what waits laid over them: none joins them by that. */
function laid(pinned: Row[], box: string | null, ops: readonly Op[]): Row[] {
  if (pinned.length === 0) return pinned;
  const keys = new Set(pinned.map((row) => row.key));
  return overlay(pinned, box, ops).filter((row) => keys.has(row.key));
}

async function threadRow(thread: string, mailbox: string): Promise<Row | null> {
  try {
    return inMailbox(await source.thread(thread), mailbox);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

async function messageRow(message: string): Promise<Row | null> {
  try {
    return fromMessage(await source.message(message));
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    const kept = error instanceof Problem && error.offline ? await mirror.message(message) : null;
    if (kept !== null) return fromMessage(kept);
    throw error;
  }
}

/** The list of this window. */
export const list = new List();
