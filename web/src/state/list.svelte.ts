// The list: pages of rows behind one cursor, kept right by the log.
import { SvelteSet } from 'svelte/reactivity';
import { Problem } from '../wire/http.ts';
import { mail } from '../wire/api.ts';
import { boxes } from './boxes.svelte.ts';
import { parseFilter } from './filter.ts';
import { wholesale, type Plan } from './plan.ts';
import type { Box } from './route.svelte.ts';
import { append, fromMessage, fromThread, inMailbox, place, type Row } from './rows.ts';

/** What the tabs choose. */
export type Tab = 'all' | 'unread' | 'starred';
const FIRST = 50;
const PAGE = 200;
/** So many pinned rows, and rows of questions, are fetched one by one at most. */
const QUESTIONS = 50;

interface Fetched { rows: Row[]; next: string | null; asOf: string | null }

class List {
  box: Box = $state.raw({ kind: 'mailbox', ref: 'inbox' });
  tab: Tab = $state('all');
  filter = $state('');
  status: 'loading' | 'ready' | 'failed' = $state('loading');
  problem: Problem | null = $state.raw(null);
  loadingMore = $state(false);
  /** The row the keys act on. */
  active: string | null = $state(null);
  /** Rows chosen for doing something with all of them. */
  readonly selected = new SvelteSet<string>();
  selecting = $state(false);
  #rest: Row[] = $state.raw([]);
  #pinned: Row[] = $state.raw([]);
  #next: string | null = $state(null);
  #round = 0;
  #abort = new AbortController();
  /** Threads being changed: what the log says of them waits until the change is answered. */
  readonly changing = new Set<string>();

  /** All rows, pinned ones first. */
  readonly rows: Row[] = $derived.by(() => {
    if (this.#pinned.length === 0) return this.#rest;
    const pinned = new Set(this.#pinned.map((row) => row.key));
    return [...this.#pinned, ...this.#rest.filter((row) => !pinned.has(row.key))];
  });

  /** How many rows are pinned on top. */
  get pinned(): number { return this.#pinned.length; }
  /** Whether there are further pages. */
  get more(): boolean { return this.#next !== null; }
  /** Whether rows stand for single messages. */
  get single(): boolean { return this.box.kind !== 'mailbox' || parseFilter(this.filter) !== null; }
  /** The rows that an action is meant for: the chosen ones, else the active one. */
  get targets(): Row[] {
    if (this.selected.size > 0) return this.rows.filter((row) => this.selected.has(row.key));
    return this.rows.filter((row) => row.key === this.active);
  }

  /** Shows another list, from its top. Returns the cursor the log goes on from. */
  async open(box: Box, tab: Tab = 'all', filter = ''): Promise<string | null> {
    this.box = box; this.tab = tab; this.filter = filter;
    this.#rest = []; this.#pinned = []; this.#next = null;
    this.selected.clear(); this.selecting = false; this.active = null;
    this.status = 'loading';
    return this.reload();
  }

  /** Fetches again what is shown: as many rows as there are, in the same place. Returns the cursor the log goes on from. */
  async reload(): Promise<string | null> {
    const round = ++this.#round;
    this.#abort.abort();
    this.#abort = new AbortController();
    const wanted = Math.min(this.#rest.length, 10 * PAGE);
    try {
      const first = await this.#fetch(null, FIRST);
      while (first.next !== null && first.rows.length < wanted) {
        const further = await this.#fetch(first.next, PAGE);
        first.rows = append(first.rows, further.rows);
        first.next = further.next;
      }
      if (round !== this.#round) return first.asOf;
      this.#rest = first.rows; this.#next = first.next;
      this.status = 'ready'; this.problem = null;
      await this.pin();
      return first.asOf;
    } catch (error) {
      if (round !== this.#round) return null;
      this.problem = error instanceof Problem ? error : new Problem(0, 'unexpected', String(error));
      if (this.status === 'loading') this.status = 'failed';
      return null;
    }
  }

  /** Fetches the next page, if there is one and none is on its way. */
  async loadMore(): Promise<void> {
    if (this.loadingMore || this.#next === null || this.status !== 'ready') return;
    const round = this.#round;
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
      await boxes.loadPromises();
      const open = (this.box.kind === 'asked' ? boxes.asked : boxes.asker).filter((each) => each.message_id !== null).slice(0, QUESTIONS);
      const rows = await Promise.all(open.map(async (each) => messageRow(each.message_id as string)));
      return { rows: rows.filter((row) => row !== null), next: null, asOf: null };
    }
    const filter = parseFilter(this.filter);
    if (filter !== null) {
      const page = await mail.messages({ mailbox: this.box.ref, ...tab, ...filter, cursor, limit }, signal);
      return { rows: page.items.map((each) => fromMessage(each)), next: page.next_cursor, asOf: page.as_of ?? null };
    }
    const page = await mail.threads({ mailbox: this.box.ref, ...tab, cursor, limit }, signal);
    return { rows: page.items.map(fromThread), next: page.next_cursor, asOf: page.as_of ?? null };
  }

  /** Puts the threads with an open question to us on top of the inbox. */
  async pin(): Promise<void> {
    if (this.box.kind !== 'mailbox' || this.box.ref !== 'inbox' || this.tab !== 'all' || parseFilter(this.filter) !== null) { this.#pinned = []; return; }
    const round = this.#round;
    const known = new Map(this.rows.map((row) => [row.waiting?.promise, row]));
    const found = await Promise.all(boxes.asked.slice(0, QUESTIONS).map(async (each) => {
      const row = known.get(each.id);
      if (row !== undefined || each.message_id === null) return row ?? null;
      const message = await messageRow(each.message_id);
      return message?.message.mailbox === 'inbox' ? threadRow(message.thread, 'inbox') : null;
    }));
    if (round !== this.#round) return;
    const once = new Map(found.filter((row) => row !== null).map((row) => [row.key, row]));
    this.#pinned = [...once.values()].filter((row) => row.waiting !== null)
      .sort((a, b) => (a.waiting?.deadline ?? Infinity) - (b.waiting?.deadline ?? Infinity) || b.at - a.at);
  }

  /** Takes in what the log told. */
  async apply(plan: Plan): Promise<void> {
    if (this.status === 'loading') return;
    if (this.box.kind === 'drafts') return;
    if (this.box.kind !== 'mailbox') { if (plan.promises || plan.resync) await this.reload(); return; }
    if (wholesale(plan)) { await this.reload(); return; }
    if (parseFilter(this.filter) !== null) { if (plan.messages.size > 0) await this.reload(); return; }
    const { ref } = this.box;
    const round = this.#round;
    const threads = [...plan.threads].filter((thread) => !this.changing.has(thread));
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

  /** Takes rows out at once, before the server has answered. The active row becomes the one that follows. */
  drop(keys: ReadonlySet<string>): void {
    const rows = this.rows;
    if (this.active !== null && keys.has(this.active)) {
      const at = rows.findIndex((row) => row.key === this.active);
      const follows = rows.slice(at).find((row) => !keys.has(row.key)) ?? rows.slice(0, at).reverse().find((row) => !keys.has(row.key));
      this.active = follows?.key ?? null;
    }
    this.#rest = this.#rest.filter((row) => !keys.has(row.key));
    this.#pinned = this.#pinned.filter((row) => !keys.has(row.key));
    for (const key of keys) this.selected.delete(key);
  }

  /** Changes rows at once, before the server has answered. */
  patch(keys: ReadonlySet<string>, change: (row: Row) => Row): void {
    const each = (row: Row): Row => (keys.has(row.key) ? change(row) : row);
    this.#rest = this.#rest.map(each);
    this.#pinned = this.#pinned.map(each);
  }

  /** Moves the active row by `steps`; returns the row it is now. With `choose`, rows passed are chosen. */
  step(steps: number, choose = false): Row | null {
    const rows = this.rows;
    if (rows.length === 0) return null;
    const at = rows.findIndex((row) => row.key === this.active);
    if (choose && at >= 0) this.selected.add((rows[at] as Row).key);
    const to = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + steps));
    const row = rows[to] as Row;
    this.active = row.key;
    if (choose) this.selected.add(row.key);
    return row;
  }

  /** Chooses a row, or gives it back. */
  toggle(key: string): void {
    if (this.selected.has(key)) this.selected.delete(key); else this.selected.add(key);
  }

  /** Chooses every row from the active one to `key`. */
  selectTo(key: string): void {
    const rows = this.rows;
    const one = rows.findIndex((row) => row.key === (this.active ?? key));
    const other = rows.findIndex((row) => row.key === key);
    for (const row of rows.slice(Math.min(one, other), Math.max(one, other) + 1)) this.selected.add(row.key);
    this.active = key;
  }

  /** Forgets everything. */
  clear(): void {
    this.#round += 1; this.#abort.abort();
    this.#rest = []; this.#pinned = []; this.#next = null; this.selected.clear(); this.active = null; this.status = 'loading';
  }
}

async function threadRow(thread: string, mailbox: string): Promise<Row | null> {
  try {
    return inMailbox(await mail.thread(thread), mailbox);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

async function messageRow(message: string): Promise<Row | null> {
  try {
    return fromMessage(await mail.message(message));
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

/** The list of this window. */
export const list = new List();
