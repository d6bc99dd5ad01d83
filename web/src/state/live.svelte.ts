// Keeps the connection to the log, and hands on what it tells in batches.
import * as mirror from '../local/mirror.ts';
import { Problem } from '../wire/http.ts';
import { follow } from '../wire/stream.ts';
import { boxes } from './boxes.svelte.ts';
import { list } from './list.svelte.ts';
import { add, backoff, noPlan, wholesale, type Plan } from './plan.ts';
import { prefs } from './prefs.svelte.ts';
import { session } from './session.svelte.ts';
import { source } from './source.ts';
import { thread } from './thread.svelte.ts';
import { toasts } from './toast.svelte.ts';
import { texts } from '../texts.ts';

/** Silence longer than this means that the connection is dead: the server speaks every 15 s. */
const SILENCE = 40_000;
/** Events this close together are taken in as one. */
const BATCH = 120;

class Live {
  status: 'connecting' | 'live' | 'waiting' = $state('connecting');
  /** When we last heard from the server, and when we try again, in milliseconds. */
  heard = $state(0);
  retryAt = $state(0);
  #plan: Plan = noPlan(null);
  #stop: AbortController | null = null;
  #wake: () => void = () => undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #first = true;

  /** Whether it has been started. */
  get running(): boolean { return this.#stop !== null; }

  /** Follows the log from `cursor` on until `stop`. */
  start(cursor: string | null): void {
    if (this.#stop !== null) return;
    this.#stop = new AbortController();
    this.#plan = noPlan(cursor);
    this.#first = true;
    void this.#run(this.#stop.signal);
  }

  /** Stops following. */
  stop(): void {
    this.#stop?.abort();
    this.#stop = null;
    clearTimeout(this.#timer);
    this.#wake();
  }

  /** Tries again at once. */
  now(): void { this.#wake(); }

  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      this.status = 'connecting';
      const connection = new AbortController();
      const end = (): void => connection.abort();
      signal.addEventListener('abort', end, { once: true });
      let silence = setTimeout(end, SILENCE);
      const alive = (): void => {
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE);
        if (this.status !== 'live') this.#connected();
        failures = 0;
        this.heard = Date.now();
      };
      try {
        await follow(this.#plan.cursor, { alive, event: (event) => this.#take(event) }, connection.signal);
      } catch (error) {
        if (error instanceof Problem && error.status === 401) { session.leave(true); return; }
        if (error instanceof Problem && (error.status === 410 || error.status === 400)) await this.#again();
      } finally {
        clearTimeout(silence);
        signal.removeEventListener('abort', end);
      }
      if (signal.aborted) return;
      failures += 1;
      await this.#pause(backoff(failures, Math.random()));
    }
  }

  #connected(): void {
    this.status = 'live';
    void import('../local/outbox.ts').then(({ drain }) => drain());
    void import('./fill.ts').then(({ fill }) => fill());
    void import('./drafts.svelte.ts').then(({ drafts }) => drafts.sync()).catch(() => undefined);
    // Without a cursor nobody knows what was missed; and what could not be fetched before is asked for now.
    if (this.#plan.resync || (!this.#first && this.#plan.cursor === null)) this.#schedule(true);
    this.#first = false;
  }

  /** The log no longer reaches back to where we were: everything is fetched, and the log followed from there. */
  async #again(): Promise<void> {
    this.#plan = noPlan(null);
    await mirror.clear();
    const asOf = await list.reload();
    if (session.me !== null) void mirror.setFact('me', session.me);
    this.#plan = noPlan(asOf);
    void this.#apply({ ...noPlan(asOf), resync: true, mailboxes: true, promises: true }, false);
  }

  #take(event: Parameters<typeof add>[1]): void {
    add(this.#plan, event);
    this.#schedule(false);
  }

  #schedule(resync: boolean): void {
    if (resync) this.#plan.resync = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#flush(), BATCH);
  }

  async #flush(): Promise<void> {
    if (this.#busy) { this.#schedule(false); return; }
    const plan = this.#plan;
    this.#plan = noPlan(plan.cursor);
    this.#busy = true;
    try { await this.#apply(plan, true); } finally { this.#busy = false; }
  }

  async #apply(plan: Plan, withList: boolean): Promise<void> {
    if (plan.arrived.size > 0) {
      toasts.say(texts.list.arrived(plan.arrived.size));
      if (prefs.notify && document.hidden) void import('./notify.ts').then(({ notify }) => notify(plan.arrived)).catch(() => undefined);
    }
    try {
      // What is kept of lists that are not shown is fetched again when they are; of a few conversations, now.
      if (wholesale(plan)) await mirror.dropRows(list.box.kind === 'mailbox' ? list.box.ref : null);
      else {
        for (const id of plan.threads) void source.thread(id).catch(() => undefined);
        // What has just come is what will be wanted offline.
        for (const id of plan.arrived) void source.message(id).catch(() => undefined);
      }
      await Promise.all([
        plan.mailboxes || plan.resync ? boxes.load() : undefined,
        plan.promises || plan.resync ? boxes.loadPromises() : undefined,
        plan.drafts || plan.resync ? import('./drafts.svelte.ts').then(({ drafts }) => drafts.sync()) : undefined,
      ]);
      await Promise.all([withList ? list.apply(plan) : undefined, thread.apply(plan)]);
      if (plan.cursor !== null) await mirror.setFact('cursor', plan.cursor);
    } catch {
      // What could not be fetched is asked for again, with the rest, when the connection is back.
      this.#plan.resync = true;
      this.#plan.mailboxes = true;
    }
  }

  #pause(ms: number): Promise<void> {
    this.status = 'waiting';
    this.retryAt = Date.now() + ms;
    return new Promise((resolve) => {
      const done = (): void => { clearTimeout(timer); removeEventListener('online', done); this.#wake = () => undefined; resolve(); };
      const timer = setTimeout(done, ms);
      addEventListener('online', done);
      this.#wake = done;
    });
  }
}

/** The connection of this window. */
export const live = new Live();
