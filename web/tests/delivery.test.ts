import { describe, expect, test } from 'vitest';
import { meaning, steps, summary } from '../src/words/delivery.ts';
import type { Delivery, DeliveryCounts, TimelineItem } from '../src/wire/types.ts';

const now = new Date(2026, 10, 26, 11, 0).getTime();
const iso = (hour: number, minute = 0, second = 0): string => new Date(2026, 10, 26, hour, minute, second).toISOString();
const counts = (change: Partial<DeliveryCounts>): DeliveryCounts => ({ total: 2, queued: 0, delivered: 0, relayed: 0, delayed: 0, failed: 0, canceled: 0, scheduled: 0, held: 0, sending: 0, ...change });
const delivery = (change: Partial<Delivery> = {}): Delivery => ({ id: 'd', message_id: 'm', recipient: 'ola@nowak.example', state: 'delayed', attempts: 3, next_attempt_at: iso(11, 40), created_at: iso(9), settled_at: null, last_attempt: null, reason: null, ...change });
const item = (kind: TimelineItem['kind'], change: Partial<TimelineItem> = {}): TimelineItem => ({ at: iso(9, 58, 2), kind, recipient: 'ola@nowak.example', remote: null, code: null, enhanced_code: null, diagnostic: null, next_attempt_at: null, ...change });

describe('the line', () => {
  const text = (change: Partial<DeliveryCounts>): string => summary(counts(change), null, now).text;
  test('from queued to delivered', () => {
    expect(text({ queued: 2 })).toBe('Queued');
    expect(text({ queued: 1, sending: 1 })).toBe('On its way');
    expect(text({ delivered: 1, queued: 1 })).toBe('Delivered to 1 of 2');
    expect(text({ delivered: 1, relayed: 1 })).toBe('Delivered to both');
    expect(text({ total: 1, relayed: 1 })).toBe('Delivered');
    expect(text({ total: 7, delivered: 7 })).toBe('Delivered to all 7');
    expect(text({ held: 2 })).toContain('Held');
    expect(text({ canceled: 2 })).toContain('taken back');
  });
  test('trouble comes before success, with tries and times once they are known', () => {
    expect(summary(counts({ delivered: 1, delayed: 1 }), [delivery()], now)).toEqual({ tone: 'bad', text: 'Delayed, 3 tries so far', aside: 'next try 11:40' });
    expect(text({ delivered: 1, failed: 1 })).toBe('Could not be delivered to 1 of 2');
    expect(text({ total: 1, failed: 1 })).toBe('Could not be delivered');
    expect(summary(counts({ delivered: 2 }), [delivery({ state: 'delivered', settled_at: iso(9, 20) }), delivery({ state: 'relayed', settled_at: iso(9, 35) })], now).aside).toBe('last one 09:35');
  });
});

describe('the timeline of a recipient', () => {
  const story = [
    item('accepted', { recipient: null }), item('attempt', { at: iso(10), code: 452, enhanced_code: '4.2.2', diagnostic: 'over quota' }), item('attempt', { recipient: 'other@x.test' }),
    item('attempt', { at: iso(10, 40), code: '451', diagnostic: '451 later' }),
  ];
  test('in plain sentences, other recipients left out, and what comes next', () => {
    expect(steps(delivery(), story, now).map((step) => [step.tone, step.text, step.reply])).toEqual([
      ['ok', 'Accepted and stored', ''], ['wait', 'First try: the mailbox is full', '452 4.2.2 over quota'], ['wait', 'Second try: the server asked us to come back later', '451 later'], ['plain', 'Next try 11:40', '']]);
  });
  test('a success after tries', () => {
    expect(steps(delivery({ state: 'relayed', next_attempt_at: null }), [...story, item('relayed', { code: 250 })], now).at(-1)?.text).toBe('Handed over on the third try');
  });
  test('a failure says why for good', () => {
    const failed = delivery({ state: 'failed', next_attempt_at: null, reason: { class: 'permanent', code: 'no_such_address' } });
    expect(steps(failed, [item('failed', { code: 550, enhanced_code: '5.1.1', diagnostic: 'no such user' })], now)).toMatchObject([{ tone: 'bad', text: 'It was refused for good: there is no such address', reply: '550 5.1.1 no such user' }]);
  });
  test('codes nobody knows still have a meaning', () => {
    expect(meaning(null, null)).toBe('the server gave no clear answer');
    expect(meaning('421', '4.9.9')).toBe('the server asked us to come back later');
    expect(meaning('554', null)).toBe('the server refused it');
  });
});
