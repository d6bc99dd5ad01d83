import { describe, expect, test } from 'vitest';
import { add, backoff, MANY, noPlan, wholesale } from '../src/state/plan.ts';
import { event } from './make.ts';

describe('the plan', () => {
  test('events of one batch ask for each thing once', () => {
    const plan = noPlan('1');
    add(plan, event({ cursor: '2', previous: '1', type: 'message.received', data: { message_id: 'm1', thread_id: 't1' } }));
    add(plan, event({ cursor: '3', previous: '2', data: { message_id: 'm1', thread_id: 't1' } }));
    expect([...plan.threads]).toEqual(['t1']);
    expect([...plan.messages]).toEqual(['m1']);
    expect(plan.arrived.size).toBe(1);
    expect(plan).toMatchObject({ mailboxes: true, promises: true, resync: false, cursor: '3' });
  });
  test('a gap asks for everything', () => {
    const plan = add(noPlan('1'), event({ cursor: '5', previous: '4' }));
    expect(plan.resync).toBe(true);
    expect(wholesale(plan)).toBe(true);
    expect(plan.cursor).toBe('5');
  });
  test('an event told twice counts once', () => {
    const plan = add(noPlan('2'), event({ cursor: '2', previous: '1', data: { thread_id: 't1' } }));
    expect(plan.threads.size).toBe(0);
    expect(plan.resync).toBe(false);
  });
  test('without a cursor of ours, and without a previous one of theirs, nothing is a gap', () => {
    expect(add(noPlan(null), event({ previous: '41' })).resync).toBe(false);
    expect(add(noPlan('1'), event({ previous: null })).resync).toBe(false);
  });
  test('a promise that settles asks for promises, not for counts', () => {
    const plan = add(noPlan('1'), event({ type: 'promise.settled', data: { promise_id: 'p1', thread_id: 't1' } }));
    expect(plan).toMatchObject({ promises: true, mailboxes: false });
  });
  test('destroyed messages are named, and a flood is fetched as a whole', () => {
    const plan = add(noPlan('1'), event({ data: { message_id: 'm1', destroyed: true } }));
    expect([...plan.destroyed]).toEqual(['m1']);
    for (let n = 0; n <= MANY; n += 1) plan.threads.add(`t${n}`);
    expect(wholesale(plan)).toBe(true);
  });
});

test('waiting times double up to half a minute and are spread', () => {
  expect([1, 2, 3, 4, 5, 6, 50].map((n) => backoff(n, 0))).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(backoff(3, 1)).toBe(2000);
});
