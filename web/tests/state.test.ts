import { describe, expect, test } from 'vitest';
import type { ChangeOp, Was } from '../src/local/ops.ts';
import { overlay, overlayMessages } from '../src/state/overlay.ts';
import { fromThread, type Row } from '../src/state/rows.ts';
import type { MessageChange } from '../src/wire/types.ts';
import { inverse } from '../src/state/inverse.ts';
import { Keys, type Key } from '../src/state/keys.ts';
import { hrefOf, parse } from '../src/state/path.ts';
import { localTest, terms, toServer } from '../src/state/query.ts';
import { start, unfolded } from '../src/state/thread.svelte.ts';
import { problemFrom, withQuery } from '../src/wire/http.ts';
import { StreamParser } from '../src/wire/stream.ts';
import { attemptFor, outgoing } from '../src/words/outgoing.ts';
import { forwardSubject, mentionsAttachment, recipients, replySubject } from '../src/words/reply.ts';
import { ana, bo, ines, message, summary, thread as makeThread } from './make.ts';

describe('addresses of pages', () => {
  test('reading and writing agree', () => {
    for (const box of [{ kind: 'mailbox', ref: 'inbox' }, { kind: 'mailbox', ref: 'archive' }, { kind: 'asked' }, { kind: 'asker' }, { kind: 'drafts' }] as const) {
      for (const thread of [null, 'a1', 'ä/ö']) {
        expect(parse(hrefOf(box, thread), '')).toEqual({ page: 'mail', box, thread });
      }
    }
  });
  test('doors and strangers', () => {
    expect(parse('/setup', '?token=abc')).toEqual({ page: 'setup', token: 'abc' });
    expect(parse('/t/1', '')).toEqual({ page: 'mail', box: { kind: 'mailbox', ref: 'inbox' }, thread: '1' });
    expect(parse('/x', '').page).toBe('missing');
    expect(parse('/t/%E0%A4%A', '').page).toBe('mail');
  });
});

test('what is typed above the list', () => {
  expect(terms('  ')).toEqual([]);
  const server = (text: string): string => toServer(terms(text));
  expect(server('from:ines is:unread has:file')).toBe('from:ines* is:unread has:attachment');
  expect(server('-subject:"garden room" loft "no end')).toBe('-subject:"garden room" loft* "no end"');
  expect(server('re: plan http://x (a)')).toBe('"re:" plan* "http://x" "(a)"');
  expect(server('is:odd from: before:2026 x')).toBe('x');
  const thread = makeThread({ subject: 'Loft or garden', unread_count: 1 });
  expect(['loft', 'from:ines is:unread', '-harbour', 'after:2026-01-01'].map((text) => localTest(terms(text))(thread))).toEqual([true, true, true, true]);
  expect(['harbour', '-loft', 'is:read', 'has:file', 'in:trash'].map((text) => localTest(terms(text))(thread))).toEqual([false, false, false, false, false]);
});

describe('keys', () => {
  const key = (text: string, change: Partial<Key> = {}): Key => ({ key: text, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...change });
  test('letters, arrows and their switch', () => {
    const keys = new Keys();
    expect(keys.command(key('j'), 0, true)).toBe('next');
    expect(keys.command(key('j'), 0, false)).toBeNull();
    expect(keys.command(key('ArrowDown'), 0, false)).toBe('next');
    expect(keys.command(key('ArrowDown', { shiftKey: true }), 0, false)).toBe('selectNext');
    expect(keys.command(key('y'), 0, true)).toEqual({ answer: 'y' });
    expect(keys.command(key('c', { ctrlKey: true }), 0, true)).toBeNull();
    expect(keys.command(key('a', { ctrlKey: true }), 0, true)).toBe('selectAll');
    expect(keys.command(key('e', { altKey: true }), 0, true)).toBeNull();
  });
  test('g and a place, within a moment', () => {
    const keys = new Keys();
    expect(keys.command(key('g'), 1000, true)).toBeNull();
    expect(keys.command(key('a'), 1500, true)).toEqual({ go: '/m/archive' });
    keys.command(key('g'), 10_000, true);
    expect(keys.command(key('a'), 12_000, true)).toBe('replyAll');
    keys.command(key('g'), 20_000, true);
    expect(keys.command(key('e'), 20_100, true)).toBeNull();
    expect(keys.command(key('e'), 20_200, true)).toBe('archive');
  });
});

test('undo gives every message back what it had', () => {
  const was = (id: string, mailbox: string, seen: boolean, flagged: boolean, keywords: string[] = []): Was => ({ id, mailbox, seen, flagged, keywords, snoozed: null });
  const targets = [was('1', 'inbox', true, false), was('2', 'junk', false, false, ['work']), was('3', 'inbox', false, true)];
  expect(inverse(targets, { mailbox: 'trash' })).toEqual([{ ids: ['1', '3'], set: { mailbox: 'inbox' } }, { ids: ['2'], set: { mailbox: 'junk' } }]);
  expect(inverse(targets, { seen: true })).toEqual([{ ids: ['2', '3'], set: { seen: false } }]);
  expect(inverse(targets, { add_keywords: ['work'] })).toEqual([{ ids: ['1', '3'], set: { remove_keywords: ['work'] } }]);
  expect(inverse(targets, { snoozed_until: '2026-12-01T08:00:00Z' })).toEqual([{ ids: ['1', '3'], set: { mailbox: 'inbox' } }, { ids: ['2'], set: { mailbox: 'junk' } }]);
});

describe('what waits is laid over what the server said', () => {
  const row = (id: string, at: number): Row => ({ ...fromThread(makeThread({ id })), at });
  const rows = [row('a', 30), row('b', 20), row('c', 10)];
  let id = 0;
  const op = (row: Row, set: MessageChange, box = 'inbox'): ChangeOp => ({ kind: 'change', id: id += 1, at: 0, waited: false, failed: null, title: '', quiet: false, pick: 'here', set, targets: [{ row, box, messages: null }] });
  const keys = (list: readonly Row[]): string[] => list.map((each) => each.key);
  test('a moved row is gone here and there in the other mailbox, until newer mail brings it back', () => {
    const moved = op(rows[1] as Row, { mailbox: 'archive' });
    expect(keys(overlay(rows, 'inbox', [moved]))).toEqual(['a', 'c']);
    expect(keys(overlay([], 'archive', [moved]))).toEqual(['b']);
    expect(keys(overlay([row('b', 40), ...rows.filter((each) => each.key !== 'b')], 'inbox', [moved]))).toEqual(['b', 'a', 'c']);
    expect(keys(overlay(rows, '*', [moved]))).toEqual(['a', 'b', 'c']);
    expect(keys(overlay(rows, '*', [op(rows[1] as Row, { mailbox: 'trash' })]))).toEqual(['a', 'c']);
  });
  test('and its undoing puts it back in its place', () => {
    const moved = op(rows[1] as Row, { mailbox: 'archive' });
    const back = op(rows[1] as Row, { mailbox: 'inbox' }, 'archive');
    expect(keys(overlay(rows, 'inbox', [moved, back]))).toEqual(['a', 'b', 'c']);
    expect(keys(overlay(overlay(rows, 'inbox', [moved]), 'inbox', [back]))).toEqual(['a', 'b', 'c']);
  });
  test('marks change the row, later ones win', () => {
    const [first] = overlay(rows, 'inbox', [op(rows[0] as Row, { seen: false, flagged: true, add_keywords: ['work'] }), op(rows[0] as Row, { seen: true })]);
    expect(first).toMatchObject({ unread: false, flagged: true, labels: ['work'] });
    expect(overlay(rows, 'inbox', [])).toBe(rows);
  });
  test('in a long list, a few changes do what they do in a short one', () => {
    const many = Array.from({ length: 1000 }, (_, n) => row(`r${n}`, 10_000 - Math.floor(n / 3)));
    const moved = [0, 1, 499, 500, 999].map((at) => op(many[at] as Row, { mailbox: 'archive' }));
    const out = overlay(many, 'inbox', [...moved, op(many[10] as Row, { seen: false })]);
    expect(keys(out)).toEqual(keys(many).filter((_, at) => ![0, 1, 499, 500, 999].includes(at)));
    expect(out.filter((each) => each.unread).map((each) => each.key)).toEqual(['r10']);
    // More changes than are looked up one by one.
    const half = many.filter((_, at) => at % 2 === 0).map((each) => op(each, { mailbox: 'trash' }));
    expect(keys(overlay(many, 'inbox', half))).toEqual(keys(many).filter((_, at) => at % 2 === 1));
    // What has newer mail by now stays, and what is gone already is no matter.
    const newer = { ...(many[500] as Row), at: 20_000 };
    expect(keys(overlay([newer, ...many.filter((_, at) => at !== 500 && at !== 1)], 'inbox', moved)).slice(0, 2)).toEqual(['r500', 'r2']);
  });
  test('messages of a conversation', () => {
    const messages = [summary({ id: '1', seen: false }), summary({ id: '2', seen: false, received_at: '2030-01-01T00:00:00Z' })];
    const read = op(row('t1', Date.parse('2026-11-23T09:00:00.000Z')), { seen: true });
    expect(overlayMessages('t1', messages, [read]).map((each) => each.seen)).toEqual([true, false]);
  });
});

test('a conversation opens at the first unread message, else the open question', () => {
  const asked = { promise_id: 'p', state: 'pending' as const, role: 'asked' as const, deadline: null, answered: false };
  const messages = [summary({ id: '1' }), summary({ id: '2', ask: asked }), summary({ id: '3', seen: false }), summary({ id: '4' })];
  expect(unfolded(messages)).toEqual(['2', '3', '4']);
  expect(start(messages)).toBe('3');
  expect(start(messages.slice(0, 2))).toBe('2');
  expect(start([summary({ id: '9' })])).toBe('9');
  expect(start([])).toBeNull();
});

describe('the stream', () => {
  const text = ': hb\n\nid: 7\nevent: message.received\ndata: {"a":1}\n\nid: 8\r\ndata: one\r\ndata: two\r\n\r\n';
  const whole = [{ type: 'message.received', data: '{"a":1}', id: '7' }, { type: 'message', data: 'one\ntwo', id: '8' }];
  test('in one piece', () => expect(new StreamParser().push(text)).toEqual(whole));
  test('in any cut', () => {
    for (let size = 1; size < 9; size += 1) {
      const parser = new StreamParser();
      const out = [];
      for (let at = 0; at < text.length; at += size) out.push(...parser.push(text.slice(at, at + size)));
      expect(out).toEqual(whole);
    }
  });
});

test('problems, whatever came back', () => {
  const problem = problemFrom(422, '{"code":"bad_address","detail":"No","fix":"Do","errors":[{"pointer":"/to/0","detail":"x"}]}');
  expect(problem).toMatchObject({ status: 422, code: 'bad_address', detail: 'No', fix: 'Do', errors: [{ pointer: '/to/0', detail: 'x' }] });
  expect(problemFrom(502, '<html>', null)).toMatchObject({ status: 502, code: 'unknown', offline: false });
  expect(problemFrom(429, '{}', '30').retryAfter).toBe(30);
});

test('queries leave out what is not said', () => {
  expect(withQuery('/v1/threads', { mailbox: 'inbox', seen: false, cursor: null, keyword: undefined, limit: 50 })).toBe('/v1/threads?mailbox=inbox&seen=false&limit=50');
  expect(withQuery('/v1/threads')).toBe('/v1/threads');
});

describe('writing', () => {
  const draft = { key: 'k', kind: 'reply' as const, source: 'm1', thread: 't1', sourceSubject: 'Hello', to: [ines], cc: [], bcc: [bo], subject: 'Re: Hello', text: 'Yes\n', quote: 'On x, y wrote:\n> z', files: [{ id: '1', name: 'a.txt', type: 'text/plain', size: 1, upload: 'u1', share: 1, problem: null }, { id: '2', name: 'b', type: 't', size: 1, upload: null, share: 0.5, problem: null }], updated: 0, attempt: null };
  test('a reply carries its quote, its parent and its complete uploads', () => {
    expect(outgoing(draft, 10)).toEqual({ to: [ines], cc: [], bcc: [bo], subject: 'Re: Hello', text: 'Yes\n\nOn x, y wrote:\n> z\n', in_reply_to: 'm1', undo: 'PT10S', attachments: [{ upload_id: 'u1', filename: 'a.txt', content_type: 'text/plain' }] });
    expect(outgoing({ ...draft, kind: 'new', source: null, quote: null }, 0)).not.toHaveProperty('undo');
  });
  test('the same content is sent with the same key, other content with another', () => {
    let n = 0;
    const fresh = (): string => `k${n += 1}`;
    const first = attemptFor({ attempt: null }, 'a', fresh);
    expect(attemptFor({ attempt: first }, 'a', fresh)).toBe(first);
    expect(attemptFor({ attempt: first }, 'b', fresh)).toEqual({ key: 'k2', body: 'b' });
  });
  test('who gets a reply', () => {
    const mine = [ana.address];
    const source = message({ from: ines, to: [{ name: null, address: 'ANA@example.org' }, bo], cc: [{ name: null, address: 'c@x.test' }] });
    expect(recipients(source, mine, false)).toEqual({ to: [ines], cc: [] });
    expect(recipients(source, mine, true)).toEqual({ to: [ines, bo], cc: [{ name: null, address: 'c@x.test' }] });
    expect(recipients({ ...source, reply_to: [bo] }, mine, true)).toEqual({ to: [bo], cc: [{ name: null, address: 'c@x.test' }] });
    expect(recipients(message({ direction: 'out', from: ana, to: [ines], cc: [bo] }), mine, true)).toEqual({ to: [ines], cc: [bo] });
    expect(recipients(message({ direction: 'out', from: ana, to: [ana] }), mine, false).to).toEqual([ana]);
  });
  test('subjects get their prefix once', () => {
    expect([replySubject('Hello'), replySubject('RE: Hello'), replySubject('Aw: Hello'), forwardSubject('Hello'), forwardSubject('Fwd: Hello')]).toEqual(['Re: Hello', 'RE: Hello', 'Aw: Hello', 'Fwd: Hello', 'Fwd: Hello']);
  });
  test('a forgotten attachment', () => {
    expect(mentionsAttachment('See the attached report')).toBe(true);
    expect(mentionsAttachment('I am attracted to it')).toBe(false);
  });
});
