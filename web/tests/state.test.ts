import { describe, expect, test } from 'vitest';
import { parseFilter } from '../src/state/filter.ts';
import { inverse } from '../src/state/inverse.ts';
import { Keys, type Key } from '../src/state/keys.ts';
import { hrefOf, parse } from '../src/state/path.ts';
import { start, unfolded } from '../src/state/thread.svelte.ts';
import { problemFrom, withQuery } from '../src/wire/http.ts';
import { StreamParser } from '../src/wire/stream.ts';
import { attemptFor, outgoing } from '../src/words/outgoing.ts';
import { forwardSubject, mentionsAttachment, recipients, replySubject } from '../src/words/reply.ts';
import { ana, bo, ines, message, summary } from './make.ts';

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
  expect(parseFilter('  ')).toBeNull();
  expect(parseFilter('from:ines is:unread has:file')).toEqual({ from: 'ines', seen: false, has_attachment: true });
  expect(parseFilter('subject:"garden room" loft')).toEqual({ subject: 'garden room loft' });
  expect(parseFilter('re: plan http://x')).toEqual({ subject: 're: plan http://x' });
  expect(parseFilter('is:odd')).toEqual({ subject: 'is:odd' });
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
  const targets = [{ id: '1', mailbox: 'inbox', seen: true, flagged: false }, { id: '2', mailbox: 'junk', seen: false, flagged: false }, { id: '3', mailbox: 'inbox', seen: false, flagged: true }];
  expect(inverse(targets, { mailbox: 'trash' })).toEqual([{ ids: ['1', '3'], set: { mailbox: 'inbox' } }, { ids: ['2'], set: { mailbox: 'junk' } }]);
  expect(inverse(targets, { seen: true })).toEqual([{ ids: ['1'], set: { seen: true } }, { ids: ['2', '3'], set: { seen: false } }]);
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
