import { describe, expect, test } from 'vitest';
import { contextFacts, face, foot, optionFor, optionKey } from '../src/words/ask.ts';
import { ana, ask, bo, ines, message } from './make.ts';

const now = new Date(2026, 10, 26, 10, 12).getTime();
const iso = (hour: number, minute = 0, day = 26): string => new Date(2026, 10, day, hour, minute).toISOString();
const mine = [ana.address];
const asking = message({ from: ines, to: [ana, bo], received_at: iso(9, 41) });
const answer = (by: string, choice = 'yes', comment: string | null = null, via = 'web') => ({ by, at: iso(10, 13), via, value: { choice, comment } });

describe('the face of a question', () => {
  test('open, with its time', () => {
    expect(face(asking, ask({ deadline: iso(16) }), mine, now)).toEqual({ kind: 'open', due: 'by 16:00, in 5 h 48 min' });
    expect(face(asking, ask(), mine, now)).toEqual({ kind: 'open', due: 'no deadline' });
  });
  test('answered by me, with the note and how long it took', () => {
    const settled = ask({ state: 'fulfilled', settled_at: iso(10, 13), value: { choice: 'yes', comment: 'Go' }, answers: [answer(ana.address, 'yes', 'Go')] });
    expect(face(asking, settled, mine, now)).toEqual({ kind: 'mine', title: 'You answered “Approve” at 10:13', facts: [['Note', 'Go'], ['Took', '32 min from question to answer']], text: '' });
  });
  test('my address is mine in any letter case', () => {
    const settled = ask({ state: 'fulfilled', settled_at: iso(10, 13), value: { choice: 'yes', comment: null }, answers: [answer('ANA@Example.org')] });
    expect(face(asking, settled, mine, now).kind).toBe('mine');
  });
  test('answered by somebody else', () => {
    const settled = ask({ state: 'fulfilled', settled_at: iso(10, 13), value: { choice: 'no', comment: null }, answers: [answer(bo.address, 'no')] });
    expect(face(asking, settled, mine, now)).toMatchObject({ kind: 'done', title: 'bo answered “Reject” at 10:13' });
  });
  test('expired, with and without a value', () => {
    const late = ask({ deadline: iso(9, 50), state: 'fulfilled', settled_at: iso(9, 50), value: { choice: 'no', comment: null }, on_expiry: 'no', answers: [answer('', 'no', null, 'expiry')] });
    expect(face(asking, late, mine, now)).toMatchObject({ kind: 'late', title: 'Nobody answered by 09:50', text: expect.stringContaining('It counted as “Reject”') });
    const lost = ask({ deadline: iso(9, 50), state: 'rejected', reason: { code: 'expired' }, settled_at: iso(9, 50) });
    expect(face(asking, lost, mine, now)).toMatchObject({ kind: 'late', text: expect.stringContaining('Ines Ferreira was told') });
  });
  test('the time is over before the server has said so: nothing can be answered', () => {
    expect(face(asking, ask({ deadline: iso(10, 11) }), mine, now).kind).toBe('late');
  });
  test('withdrawn, declined, undeliverable', () => {
    expect(face(asking, ask({ state: 'rejected', reason: { code: 'canceled' }, settled_at: iso(10) }), mine, now)).toMatchObject({ kind: 'withdrawn', title: 'Ines Ferreira withdrew this question at 10:00' });
    expect(face(asking, ask({ state: 'rejected', reason: { code: 'declined' }, settled_at: iso(10), asked: [{ address: ana.address, answered: false, declined: true }] }), mine, now)).toMatchObject({ title: 'You declined to answer' });
    expect(face(asking, ask({ asked: [{ address: ana.address, answered: false, declined: true }] }), mine, now).kind).toBe('withdrawn');
  });
  test('I answered, others still have to', () => {
    const half = ask({ settle: 'all', asked: [{ address: ana.address, answered: true, declined: false }, { address: bo.address, answered: false, declined: false }], answers: [answer(ana.address)] });
    expect(face(asking, half, mine, now)).toMatchObject({ kind: 'mine', title: 'You answered “Approve” at 10:13' });
  });
  test('my own question: who it waits for', () => {
    const own = message({ direction: 'out', from: ana, to: [ines, bo] });
    const waiting = ask({ role: 'asker', asked: [{ address: ines.address, answered: false, declined: false }, { address: bo.address, answered: false, declined: true }] });
    expect(face(own, waiting, mine, now)).toMatchObject({ kind: 'waiting', title: 'Waiting for Ines Ferreira', facts: [['Ines Ferreira', 'not yet'], ['bo', 'declined']] });
  });
});

test('the foot: who else, and what happens with no answer', () => {
  const asked = [ana, bo, ines].map((who) => ({ address: who.address, answered: false, declined: false }));
  expect(foot(asking, ask({ asked, deadline: iso(16), on_expiry: 'no' }), mine, now)).toBe('bo and Ines Ferreira were asked too, the first answer counts. With no answer by 16:00 it counts as “Reject”.');
  expect(foot(asking, ask({ deadline: iso(16), on_expiry: { choice: 'no' } }), mine, now)).toContain('“Reject”');
  expect(foot(asking, ask({ deadline: iso(16) }), mine, now)).toContain('expires');
  expect(foot(asking, ask(), mine, now)).toBe('');
});

test('facts out of the context: flat values only', () => {
  expect(contextFacts({ build_number: 4821, ok: true, list: [1], nested: {}, none: null, name: 'x' })).toEqual([['Build number', '4821'], ['Ok', 'yes'], ['Name', 'x']]);
  expect(contextFacts(null)).toEqual([]);
  expect(contextFacts([1])).toEqual([]);
});

test('keys of options', () => {
  expect([0, 1].map((at) => optionKey(at, 2))).toEqual(['y', 'n']);
  expect([0, 2, 9].map((at) => optionKey(at, 12))).toEqual(['1', '3', '']);
  expect(optionFor('n', ask().options)?.name).toBe('no');
  expect(optionFor('1', ask().options)).toBeNull();
});
