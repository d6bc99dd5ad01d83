import { describe, expect, test } from 'vitest';
import { append, find, fromMessage, fromThread, inMailbox, pill, place, type Row } from '../src/state/rows.ts';
import { ana, bo, ines, summary, thread } from './make.ts';

const row = (key: string, at: number): Row => ({ ...fromThread(thread()), key, thread: key, at });
const keys = (rows: readonly Row[]): string[] => rows.map((each) => each.key);

describe('placing rows', () => {
  const rows = [row('c', 30), row('b', 20), row('a', 10)];
  test('new mail goes where its time says, and an existing row moves up', () => {
    expect(keys(place(rows, 'd', row('d', 40)))).toEqual(['d', 'c', 'b', 'a']);
    expect(keys(place(rows, 'd', row('d', 15)))).toEqual(['c', 'b', 'd', 'a']);
    expect(keys(place(rows, 'a', row('a', 35)))).toEqual(['a', 'c', 'b']);
    expect(keys(rows)).toEqual(['c', 'b', 'a']);
  });
  test('a row is found by its time, in whatever order those of the same time stand', () => {
    const many = Array.from({ length: 1000 }, (_, n) => row(`k${n % 3}-${n}`, 5000 - Math.floor(n / 4)));
    for (const [at, each] of many.entries()) expect(find(many, each.key, each.at)).toBe(at);
    expect(find(many, 'k0-0', 4000)).toBe(-1);
    expect(find([], 'a', 1)).toBe(-1);
  });

  test('a row without a change of time stays in its place', () => {
    const changed = { ...row('b', 20), unread: true };
    const out = place(rows, 'b', changed);
    expect(keys(out)).toEqual(['c', 'b', 'a']);
    expect(out[1]).toBe(changed);
  });
  test('null takes a row out; an unknown one changes nothing', () => {
    expect(keys(place(rows, 'b', null))).toEqual(['c', 'a']);
    expect(keys(place(rows, 'x', null))).toEqual(['c', 'b', 'a']);
  });
  test('equal times keep one order whichever came first', () => {
    const one = place(place([], 'p', row('p', 5)), 'q', row('q', 5));
    const other = place(place([], 'q', row('q', 5)), 'p', row('p', 5));
    expect(keys(one)).toEqual(keys(other));
  });
  test('a page that overlaps the last one adds nothing twice', () => {
    expect(keys(append(rows, [row('a', 10), row('z', 5)]))).toEqual(['c', 'b', 'a', 'z']);
  });
});

describe('what a row says', () => {
  test('somebody else by name, ourselves as the sender by who it went to', () => {
    expect(fromThread(thread()).names).toBe('Ines Ferreira');
    const sent = fromThread(thread({ latest: summary({ direction: 'out', from: ana, to: [ines, bo] }), participants: [{ ...ana, me: true }, { ...ines, me: false }] }));
    expect(sent.names).toBe('To: Ines Ferreira and bo');
    expect(sent.who).toBe(ines === sent.who ? ines : sent.who);
    expect(sent.who.address).toBe(ines.address);
  });
  test('several by first names, with us among them', () => {
    const out = fromThread(thread({ message_count: 9, participants: [{ ...ines, me: false }, { name: 'Yuki Mori', address: 'y@x.test', me: false }, { ...ana, me: true }] }));
    expect(out.names).toBe('Ines, Yuki, you');
  });
  test('a message without subject or sender still has words', () => {
    const out = fromMessage(summary({ subject: ' ', from: null }));
    expect(out.subject).toBe('(no subject)');
    expect(out.names).not.toBe('');
  });
  test('a thread as one mailbox has it: its newest message there, and unread as the list of threads says it', () => {
    const messages = [summary({ id: 'm1', seen: false, received_at: '2026-11-23T08:00:00.000Z' }), summary({ id: 'm2', mailbox: 'sent', mailbox_id: 'b2', direction: 'out', received_at: '2026-11-23T09:00:00.000Z' })];
    const detail = { ...thread({ message_count: 2, unread_count: 1 }), messages };
    expect(inMailbox(detail, 'inbox')).toMatchObject({ message: { id: 'm1' }, unread: true, count: 2 });
    expect(inMailbox(detail, 'sent')).toMatchObject({ message: { id: 'm2' }, unread: true });
    expect(inMailbox({ ...detail, unread_count: 0, subject: 'Re: RE: Plan' }, 'inbox')).toMatchObject({ unread: false, subject: 'Plan' });
    expect(inMailbox(detail, 'b1')?.message.id).toBe('m1');
    expect(inMailbox(detail, 'archive')).toBeNull();
  });
});

describe('pills', () => {
  const now = new Date(2026, 10, 23, 10, 0).getTime();
  const base = fromThread(thread());
  const waiting = (deadline: number | null, mine = true): Row => ({ ...base, waiting: { promise: 'p', deadline, mine } });
  test('a question due today calls, a later one reminds, a missed one says so', () => {
    expect(pill(waiting(new Date(2026, 10, 23, 16, 0).getTime()), now)).toEqual({ tone: 'ask', text: 'Answer by 16:00', clock: true });
    expect(pill(waiting(new Date(2026, 10, 24, 12, 0).getTime()), now)).toEqual({ tone: 'soft', text: 'Tomorrow 12:00', clock: false });
    expect(pill(waiting(null), now)?.text).toBe('No deadline');
    expect(pill(waiting(now - 1), now)?.text).toBe('Too late');
    expect(pill(waiting(new Date(2026, 10, 23, 16, 0).getTime(), false), now)?.tone).toBe('soft');
  });
  test('trouble in delivery shows, success does not', () => {
    const counts = { total: 2, queued: 0, delivered: 2, relayed: 0, delayed: 0, failed: 0, canceled: 0, scheduled: 0, held: 0, sending: 0 };
    expect(pill({ ...base, delivery: counts }, now)).toBeNull();
    expect(pill({ ...base, delivery: { ...counts, delayed: 1 } }, now)?.text).toBe('Delayed');
    expect(pill({ ...base, delivery: { ...counts, delayed: 1, failed: 1 } }, now)?.text).toBe('Not delivered');
  });
});
