// Doing something with rows: at once on the screen, kept in the outbox, then on the server; and back with one undo.
import type { Fresh, Target, Was } from '../local/ops.ts';
import { texts } from '../texts.ts';
import type { MessageChange, MessageSummary } from '../wire/types.ts';
import { isolated } from '../words/address.ts';
import { moment } from '../words/time.ts';
import { boxes } from './boxes.svelte.ts';
import { list } from './list.svelte.ts';
import { pending } from './pending.svelte.ts';
import { hrefOf, router } from './route.svelte.ts';
import { fromThread, inMailbox, type Row } from './rows.ts';
import { screen } from './screen.svelte.ts';
import { thread } from './thread.svelte.ts';
import { confirmation, toasts } from './toast.svelte.ts';

const naming = (rows: readonly Row[]): string => (rows.length === 1 ? texts.actions.one(isolated((rows[0] as Row).subject)) : texts.actions.many(rows.length));
const keysOf = (rows: readonly Row[]): Set<string> => new Set(rows.map((row) => row.key));
const boxOf = (): string | null => (list.box.kind === 'mailbox' && !list.searchesAll ? list.box.ref : null);

/** What the keys and buttons act on: chosen rows, else the open conversation, else the active row. */
export function targets(): Row[] {
  if (list.selected.size > 0 || thread.detail === null) return list.targets;
  const open = list.rows.find((row) => row.thread === thread.id);
  if (open !== undefined) return [open];
  const row = list.box.kind === 'mailbox' ? inMailbox(thread.detail, list.box.ref) : null;
  return [row ?? fromThread(thread.detail)];
}

const wasOf = (each: MessageSummary): Was => ({ id: each.id, mailbox: each.mailbox, seen: each.seen, flagged: each.flagged, keywords: each.keywords, snoozed: each.snoozed_until ?? null });

/** The messages a row stands for, where that is known without asking. */
function known(row: Row, pick: 'here' | 'newest'): Was[] | null {
  if (row.single || row.count === 1 || pick === 'newest') return [row.message];
  const box = boxOf();
  if (thread.detail?.id !== row.thread) return null;
  const here = thread.detail.messages.filter((each) => box === null || each.mailbox === box || each.mailbox_id === box);
  return here.length > 0 ? here.map(wasOf) : null;
}
const targetOf = (row: Row, pick: 'here' | 'newest'): Target => ({ row, box: boxOf(), messages: known(row, pick) });

/** Changes messages, and says so with an offer to undo. `gone` moves on from the open conversation. */
function change(
  rows: readonly Row[], set: MessageChange, say: (what: string) => string, { gone = false, pick = 'here' as const }: { gone?: boolean; pick?: 'here' | 'newest' } = {},
): void {
  if (rows.length === 0) return;
  const everything = list.everything;
  const fresh: Fresh = everything === null
    ? { kind: 'change', set, pick, quiet: false, title: naming(rows), targets: rows.map((row) => targetOf(row, pick)) }
    : { kind: 'query', query: everything.query, box: boxOf() ?? '', set, ids: [], title: texts.actions.all(everything.count) };
  if (gone) { leave(rows); list.drop(keysOf(rows)); }
  const handed = pending.hand(fresh);
  for (const target of fresh.kind === 'change' ? fresh.targets : []) thread.relay(target.row.thread);
  list.selectNone();
  toasts.show(say(fresh.title), { undo: () => void back(handed) });
}

async function back(handed: ReturnType<typeof pending.hand>): Promise<void> {
  await pending.undo(handed);
  thread.relay(thread.id ?? '');
  toasts.show(texts.actions.undone);
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

  /** Nothing more is told of the open conversation; or it is again. Where the server does not say which, nothing happens. */
  mute(rows: readonly Row[]): void {
    const { detail } = thread;
    if (detail?.muted === undefined || !rows.some((row) => row.thread === detail.id)) return;
    const muted = !detail.muted;
    change(rows.filter((row) => row.thread === detail.id), { muted }, muted ? texts.actions.muted : texts.actions.unmuted, { pick: 'newest' });
  },

  /** To the trash; out of the trash for good, after asking. */
  delete(rows: readonly Row[]): void {
    if (list.box.kind !== 'mailbox' || list.box.ref !== 'trash') {
      change(rows, { mailbox: 'trash' }, texts.actions.deleted, { gone: leaves('trash') });
      return;
    }
    if (rows.length === 0) return;
    confirmation.ask({
      title: texts.actions.destroyTitle, text: texts.actions.destroyText(naming(rows)), action: texts.actions.deleteForever,
      then: () => destroy(rows),
    });
  },

  /** Away until `at` (milliseconds), then back in the inbox by itself. */
  snooze: (rows: readonly Row[], at: number) =>
    change(rows, { snoozed_until: new Date(at).toISOString() }, (what) => texts.actions.snoozed(what, moment(at, Date.now())), { gone: leaves('snoozed') }),
  /** Puts a label on, or takes it off. */
  label: (rows: readonly Row[], label: string, on: boolean) =>
    change(rows, on ? { add_keywords: [label] } : { remove_keywords: [label] }, (what) => (on ? texts.actions.labelled(what, label) : texts.actions.unlabelled(what, label)), { pick: 'newest' }),

  read: (rows: readonly Row[]) => change(rows, { seen: true }, texts.actions.markedRead),
  unread(rows: readonly Row[]): void {
    const leaving = rows.some((row) => row.thread === thread.id);
    change(rows, { seen: false }, texts.actions.markedUnread);
    if (leaving) router.go(hrefOf(list.box));
  },

  /** Stars the newest message of each thread, or takes every star away if all have one. */
  star(rows: readonly Row[]): void {
    if (rows.length > 0 && rows.every((row) => row.flagged)) change(rows, { flagged: false }, texts.actions.unstarred);
    else change(rows, { flagged: true }, texts.actions.starred, { pick: 'newest' });
  },

  /** Marks what has been read in the open conversation, without a word. */
  seen(ids: readonly string[]): void {
    const { detail } = thread;
    if (ids.length === 0 || detail === null) return;
    const wanted = new Set(ids);
    const messages = detail.messages.filter((each) => wanted.has(each.id)).map(wasOf);
    const row = list.rows.find((each) => each.thread === detail.id) ?? fromThread(detail);
    void pending.hand({ kind: 'change', set: { seen: true }, pick: 'here', quiet: true, title: row.subject, targets: [{ row, box: boxOf(), messages }] });
    thread.relay(detail.id);
  },
};

function destroy(rows: readonly Row[]): void {
  leave(rows);
  list.drop(keysOf(rows));
  list.selectNone();
  void pending.hand({ kind: 'destroy', title: naming(rows), targets: rows.map((row) => targetOf(row, 'here')) });
  toasts.show(texts.actions.destroyed(naming(rows)));
}
