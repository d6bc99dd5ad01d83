// Doing something with rows: at once on the screen, then on the server, and back with one undo.
import { texts } from '../texts.ts';
import { mail } from '../wire/api.ts';
import type { MessageChange } from '../wire/types.ts';
import { boxes } from './boxes.svelte.ts';
import { inverse, type Target } from './inverse.ts';
import { list } from './list.svelte.ts';
import { hrefOf, router } from './route.svelte.ts';
import { fromThread, inMailbox, type Row } from './rows.ts';
import { screen } from './screen.svelte.ts';
import { thread } from './thread.svelte.ts';
import { confirmation, toasts } from './toast.svelte.ts';

async function patch(ids: readonly string[], set: MessageChange): Promise<void> {
  for (let at = 0; at < ids.length; at += 1000) await mail.change(ids.slice(at, at + 1000), set);
}

/** The messages that rows stand for: those of the thread that are in the mailbox shown. */
async function collect(rows: readonly Row[]): Promise<Target[]> {
  const out: Target[] = [];
  const queue = [...rows];
  const work = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      if (row.single || row.count === 1) { out.push(row.message); continue; }
      const { box } = list;
      const detail = await mail.thread(row.thread);
      const here = detail.messages.filter((each) => box.kind !== 'mailbox' || each.mailbox === box.ref || each.mailbox_id === box.ref);
      out.push(...(here.length > 0 ? here : detail.messages.filter((each) => each.direction === 'in')));
    }
  };
  await Promise.all(Array.from({ length: 6 }, work));
  return out;
}

const naming = (rows: readonly Row[]): string => (rows.length === 1 ? texts.actions.one((rows[0] as Row).subject) : texts.actions.many(rows.length));
const keysOf = (rows: readonly Row[]): Set<string> => new Set(rows.map((row) => row.key));

/** What the keys and buttons act on: chosen rows, else the open conversation, else the active row. */
export function targets(): Row[] {
  if (list.selected.size > 0 || thread.detail === null) return list.targets;
  const open = list.rows.find((row) => row.thread === thread.id);
  if (open !== undefined) return [open];
  const row = list.box.kind === 'mailbox' ? inMailbox(thread.detail, list.box.ref) : null;
  return [row ?? fromThread(thread.detail)];
}

/** Changes messages, and says so with an offer to undo. `gone` takes the rows out of the list at once. */
async function change(
  rows: readonly Row[], set: MessageChange, say: (what: string) => string, { gone = false, only = () => true, row = (each: Row) => each }:
  { gone?: boolean; only?: (target: Target) => boolean; row?: (row: Row) => Row } = {},
): Promise<void> {
  if (rows.length === 0) return;
  const keys = keysOf(rows);
  const threads = rows.map((each) => each.thread);
  const collecting = collect(rows);
  collecting.catch(() => undefined); // reported below
  for (const each of threads) list.changing.add(each);
  if (gone) leave(rows); else list.patch(keys, row);
  if (gone) list.drop(keys);
  let changed: Target[];
  try {
    changed = (await collecting).filter(only);
    await patch(changed.map((each) => each.id), set);
  } catch (error) {
    toasts.show(texts.actions.failed((error as Error).message), { bad: true });
    for (const each of threads) list.changing.delete(each);
    await list.refresh(threads).catch(() => undefined);
    return;
  }
  for (const each of threads) list.changing.delete(each);
  list.selected.clear();
  list.selecting = false;
  thread.patch(new Set(changed.map((each) => each.id)), set);
  if (changed.length === 0) { toasts.show(texts.actions.nothing); await list.refresh(threads); return; }
  toasts.show(say(naming(rows)), { undo: () => void back(changed, set, threads) });
  await Promise.allSettled([boxes.load(), gone ? undefined : list.refresh(threads)]);
}

async function back(changed: readonly Target[], set: MessageChange, threads: readonly string[]): Promise<void> {
  try {
    for (const group of inverse(changed, set)) await patch(group.ids, group.set);
    toasts.show(texts.actions.undone);
  } catch (error) {
    toasts.show(texts.actions.failed((error as Error).message), { bad: true });
  }
  await Promise.allSettled([boxes.load(), list.refresh(threads), thread.refresh(changed.map((each) => each.id))]);
}

/** The open conversation is about to go: the next one opens beside the list, or the list comes back. */
function leave(rows: readonly Row[]): void {
  const keys = keysOf(rows);
  if (thread.id === null || !rows.some((row) => row.thread === thread.id)) return;
  const all = list.rows;
  const at = all.findIndex((row) => row.thread === thread.id);
  const next = all.slice(at + 1).find((row) => !keys.has(row.key)) ?? all.slice(0, Math.max(0, at)).reverse().find((row) => !keys.has(row.key));
  if (screen.split && next !== undefined && rows.length === 1) { list.active = next.key; router.go(hrefOf(list.box, next.thread), true); return; }
  router.go(hrefOf(list.box));
}

/** Whether moving to a mailbox takes rows out of the list that is shown. */
const leaves = (to: string): boolean => list.box.kind === 'mailbox' && list.box.ref !== to && boxes.find(list.box.ref)?.id !== to;

export const actions = {
  archive: (rows: readonly Row[]) => change(rows, { mailbox: 'archive' }, texts.actions.archived, { gone: leaves('archive') }),
  move: (rows: readonly Row[], to: string) => change(rows, { mailbox: to }, (what) => texts.actions.moved(what, boxes.name(to)), { gone: leaves(to) }),
  junk: (rows: readonly Row[]) => change(rows, { mailbox: 'junk' }, (what) => texts.actions.moved(what, texts.nav.junk), { gone: leaves('junk') }),

  /** To the trash; out of the trash for good, after asking. */
  delete(rows: readonly Row[]): void {
    if (list.box.kind !== 'mailbox' || list.box.ref !== 'trash') {
      void change(rows, { mailbox: 'trash' }, texts.actions.deleted, { gone: leaves('trash') });
      return;
    }
    if (rows.length === 0) return;
    confirmation.ask({
      title: texts.actions.destroyTitle, text: texts.actions.destroyText(naming(rows)), action: texts.actions.deleteForever,
      then: () => destroy(rows),
    });
  },

  read: (rows: readonly Row[]) => change(rows, { seen: true }, texts.actions.markedRead, { only: (each) => !each.seen, row: (each) => ({ ...each, unread: false }) }),
  unread(rows: readonly Row[]): Promise<void> {
    const done = change(rows, { seen: false }, texts.actions.markedUnread, { only: (each) => each.seen, row: (each) => ({ ...each, unread: true }) });
    if (rows.some((row) => row.thread === thread.id)) router.go(hrefOf(list.box));
    return done;
  },

  /** Stars the newest message of each thread, or takes every star away if all have one. */
  star(rows: readonly Row[]): Promise<void> {
    if (rows.length > 0 && rows.every((row) => row.flagged)) {
      return change(rows, { flagged: false }, texts.actions.unstarred, { only: (each) => each.flagged, row: (each) => ({ ...each, flagged: false }) });
    }
    const newest = new Set(rows.map((row) => row.message.id));
    return change(rows, { flagged: true }, texts.actions.starred, { only: (each) => newest.has(each.id) && !each.flagged, row: (each) => ({ ...each, flagged: true }) });
  },

  /** Marks what has been read in the open conversation, without a word. */
  async seen(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    thread.patch(new Set(ids), { seen: true });
    const { id } = thread;
    if (id !== null) list.patch(new Set(list.rows.filter((row) => row.thread === id).map((row) => row.key)), (row) => ({ ...row, unread: false, message: { ...row.message, seen: true } }));
    await patch(ids, { seen: true }).catch(() => undefined); // it stays unread on the server, and is tried again when next opened
    await boxes.load().catch(() => undefined);
  },
};

async function destroy(rows: readonly Row[]): Promise<void> {
  try {
    const gone = await collect(rows);
    leave(rows);
    list.drop(keysOf(rows));
    for (const each of gone) await mail.destroy(each.id);
    toasts.show(texts.actions.destroyed(naming(rows)));
  } catch (error) {
    toasts.show(texts.actions.failed((error as Error).message), { bad: true });
    await list.reload();
  }
  await boxes.load().catch(() => undefined);
}
