// What waits to be sent, laid over what the server said last: lists and conversations show every change at once, and go on showing
// it until the server's own answer has it.
import { affected, effectOf, type Effect, type Op } from '../local/ops.ts';
import type { MessageSummary } from '../wire/types.ts';
import { find, place, type Row } from './rows.ts';

/** What a search everywhere does not show. */
const HIDDEN = new Set(['trash', 'junk', '']);

interface RowEffect { effect: Effect; gone: boolean; add: Row | null; at: number; ids: ReadonlySet<string> | null }

function effects(ops: readonly Op[], box: string | null): Map<string, RowEffect> {
  const out = new Map<string, RowEffect>();
  for (const op of ops) {
    if (op.kind !== 'change' && op.kind !== 'destroy') continue;
    const effect = op.kind === 'change' ? effectOf(op.set) : { ...effectOf({}), mailbox: '' };
    for (const { row, box: from } of op.targets) {
      if (row.thread === '') continue; // found by a query: the list is fetched anew
      const arrives = effect.mailbox !== undefined && effect.mailbox === box;
      const gone = effect.mailbox !== undefined && !arrives && (box === '*' ? HIDDEN.has(effect.mailbox) : box !== null && from === box);
      const before = out.get(row.thread);
      out.set(row.thread, {
        effect: before === undefined || before.gone ? effect : merge(before.effect, effect), gone: gone || (before?.gone === true && !arrives), add: arrives ? row : (before?.add ?? null), at: Math.max(row.at, before?.at ?? 0),
        ids: row.single ? new Set([...(before?.ids ?? []), row.message.id]) : null,
      });
    }
  }
  return out;
}

const merge = (one: Effect, other: Effect): Effect => ({
  mailbox: other.mailbox ?? one.mailbox, seen: other.seen ?? one.seen, flagged: other.flagged ?? one.flagged, snoozed: other.snoozed === undefined ? one.snoozed : other.snoozed,
  add: [...one.add.filter((each) => !other.remove.includes(each)), ...other.add], remove: [...one.remove.filter((each) => !other.add.includes(each)), ...other.remove],
});

const applies = (row: Row, { at, ids }: RowEffect): boolean =>
  (ids === null ? row.at <= at : row.single ? ids.has(row.message.id) : row.count === 1 && ids.has(row.message.id));

function patched(row: Row, effect: Effect): Row {
  const message = affected(row.message, effect);
  return {
    ...row, message, unread: effect.seen === undefined ? row.unread : !effect.seen,
    flagged: effect.flagged ?? row.flagged, labels: message.keywords,
  };
}

/** So many changes are laid over a list one by one; with more, every row is looked at. */
const FEW = 64;
/** In a list as short as this, all are: pinned rows do not stand in the order of their times. */
const SHORT = 200;

/** The rows with a few changes, each found by its place: a hundred thousand others are not looked at. Null where that cannot be. */
function few(rows: readonly Row[], changes: ReadonlyMap<string, RowEffect>): Row[] | null {
  if (rows.length <= SHORT || changes.size > FEW || rows[0]?.single === true) return null;
  const out = rows.slice();
  for (const [thread, change] of changes) {
    const at = find(out, thread, change.at);
    const row = out[at];
    if (row === undefined || !applies(row, change)) continue;
    if (change.gone) out.splice(at, 1); else out[at] = patched(row, change.effect);
  }
  return out;
}

function all(rows: readonly Row[], changes: ReadonlyMap<string, RowEffect>): Row[] {
  const out: Row[] = [];
  for (const row of rows) {
    const change = changes.get(row.thread);
    if (change === undefined || !applies(row, change)) out.push(row);
    else if (!change.gone) out.push(patched(row, change.effect));
  }
  return out;
}

/** Rows of a list with what waits laid over them. `box` is the mailbox they are of, `*` for a search everywhere, or null. Newer mail in a conversation brings its row back. */
export function overlay(rows: readonly Row[], box: string | null, ops: readonly Op[]): Row[] {
  const changes = effects(ops, box);
  const whole = ops.find((op) => op.kind === 'query' && op.box === box);
  if (changes.size === 0 && whole === undefined) return rows as Row[];
  let out = few(rows, changes) ?? all(rows, changes);
  for (const { add, gone, effect } of changes.values()) {
    if (add === null || gone || out.some((row) => row.thread === add.thread)) continue;
    out = place(out, add.key, patched(add, effect));
  }
  if (whole?.kind === 'query') {
    const effect = effectOf(whole.set);
    out = effect.mailbox !== undefined && effect.mailbox !== box ? out.filter((row) => row.at > whole.at) : out.map((row) => (row.at > whole.at ? row : patched(row, effect)));
  }
  return out;
}

/** Messages of a conversation with what waits laid over them. */
export function overlayMessages(thread: string, messages: readonly MessageSummary[], ops: readonly Op[]): MessageSummary[] {
  let out = messages as MessageSummary[];
  for (const op of ops) {
    if (op.kind !== 'change') continue;
    const effect = effectOf(op.set);
    for (const { row, box, messages: known } of op.targets) {
      if (row.thread !== thread) continue;
      const ids = known === null ? null : new Set(known.map((each) => each.id));
      out = out.map((each) => {
        const meant = ids === null ? (box === null || each.mailbox === box) && Date.parse(each.received_at) <= row.at : ids.has(each.id);
        return meant ? affected(each, effect) : each;
      });
    }
  }
  return out;
}
