// Filling the copy when nothing else is to be done: the newest rows of each mailbox, and the text of the newest conversations, so that
// there is something to read offline.
import * as mirror from '../local/mirror.ts';
import { mail } from '../wire/api.ts';
import { boxes } from './boxes.svelte.ts';
import { source } from './source.ts';

const PAGE = 200;
/** So far back rows are kept, in milliseconds. */
const REACH = 90 * 86_400_000;
/** So many of the newest conversations are kept with their text. */
const TEXTS = 50;
/** Between two questions to the server, in milliseconds: what the reader does goes first. */
const PAUSE = 80;
const roles = ['inbox', 'snoozed', 'sent', 'archive', 'drafts', 'scheduled'];

let running = false;
const pause = (): Promise<void> => new Promise((done) => setTimeout(done, PAUSE));

/** Begins a moment from now, once; what is there already is not fetched again. */
export function fill(): void {
  if (running || (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true) return;
  running = true;
  setTimeout(() => void work().catch(() => undefined).finally(() => { running = false; }), 1500);
}

async function work(): Promise<void> {
  const synced = new Set(await mirror.fact<string[]>('synced') ?? []);
  for (const box of boxes.all.map((each) => each.role ?? each.id).filter((ref) => roles.includes(ref) || boxes.find(ref)?.role === null)) {
    if (synced.has(box)) continue;
    let cursor: string | null = null;
    let last: mirror.Place | null = null;
    for (let n = 0; n < mirror.ROWS; n += PAGE) {
      const page: Awaited<ReturnType<typeof mail.threads>> = await mail.threads({ mailbox: box, cursor, limit: PAGE });
      await mirror.putPage(box, page.items, last, page.next_cursor === null);
      const end = page.items[page.items.length - 1];
      cursor = page.next_cursor;
      if (cursor === null || end === undefined || Date.parse(end.latest.received_at) < Date.now() - REACH) break;
      last = { at: Date.parse(end.latest.received_at), id: end.id };
      await pause();
    }
    synced.add(box);
    await mirror.setFact('synced', [...synced]);
  }
  for (const row of await mirror.rows('inbox', TEXTS)) {
    if (await mirror.thread(row.id) === null) { await source.thread(row.id); await pause(); }
    const detail = await mirror.thread(row.id);
    const ids = (detail?.messages ?? []).slice(-5).map((each) => each.id);
    const there = await mirror.has(ids);
    for (const id of ids) if (!there.has(id)) { await source.message(id); await pause(); }
  }
  await mirror.prune(boxes.all);
}
