// The hours of a forwarding, from the server to its form and back.
import { expect, test } from 'vitest';
import type { Forwarding } from '../src/wire/types.ts';
import { hoursChange, hoursForm, timeZones } from '../src/words/hours.ts';
import { inverse } from '../src/state/inverse.ts';
import { mutedBy } from '../src/state/thread.svelte.ts';
import type { Op } from '../src/local/ops.ts';
import { fromThread } from '../src/state/rows.ts';
import { summary, thread } from './make.ts';

const each: Forwarding = { id: 'f', address: 'a@b.test', verified: true, content: 'full', when: 'digest', times: ['08:00', '17:30'], quiet_hours: null, time_zone: null, paused: false, next_at: null, created_at: '' };

test('the form begins with what is kept, and with this device’s time zone', () => {
  const form = hoursForm(each, 'Europe/Berlin');
  expect(form).toEqual({ when: 'digest', times: ['08:00', '17:30'], quiet: false, from: '22:00', until: '07:00', zone: 'Europe/Berlin' });
  form.times.push('x');
  expect(each.times).toEqual(['08:00', '17:30']);
  expect(hoursForm({ ...each, when: 'immediately', times: [], quiet_hours: { from: '20:00', until: '06:00' }, time_zone: 'UTC' }, 'Europe/Berlin'))
    .toEqual({ when: 'immediately', times: ['08:00'], quiet: true, from: '20:00', until: '06:00', zone: 'UTC' });
});

test('what is saved has each time once, and nothing that is not in use', () => {
  const form = hoursForm(each, 'UTC');
  expect(hoursChange({ ...form, times: ['18:00', '07:00', '18:00'] })).toEqual({ when: 'digest', times: ['07:00', '18:00'], quiet_hours: null, time_zone: 'UTC' });
  expect(hoursChange({ ...form, when: 'immediately', quiet: true })).toEqual({ when: 'immediately', quiet_hours: { from: '22:00', until: '07:00' }, time_zone: 'UTC' });
  expect(timeZones('Europe/Berlin').filter((zone) => zone === 'UTC' || zone === 'Europe/Berlin')).toEqual(['Europe/Berlin', 'UTC']);
});

test('a muted conversation shows so before the server says it, and its undo is the other way', () => {
  const whole = { ...thread(), messages: [summary()] };
  const op = (muted: boolean): Op => ({ id: 1, at: 0, waited: false, failed: null, kind: 'change', set: { muted }, pick: 'newest', quiet: false, title: '', targets: [{ row: fromThread(thread()), box: 'inbox', messages: null }] });
  expect(mutedBy(whole, [op(true)])).toBeUndefined();
  expect(mutedBy({ ...whole, muted: false }, [])).toBe(false);
  expect(mutedBy({ ...whole, muted: false }, [op(true)])).toBe(true);
  expect(mutedBy({ ...whole, muted: false }, [op(true), op(false)])).toBe(false);
  expect(mutedBy({ ...whole, id: 't2', muted: false }, [op(true)])).toBe(false);
  const was = { id: 'm1', mailbox: 'inbox', seen: true, flagged: false, keywords: [], snoozed: null };
  expect(inverse([was], { muted: true })).toEqual([{ ids: ['m1'], set: { muted: false } }]);
});
