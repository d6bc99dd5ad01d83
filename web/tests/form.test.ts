import { expect, test } from 'vitest';
import { fieldsOf, valueOf } from '../src/words/form.ts';
import { choices, localInput } from '../src/words/when.ts';

const schema = {
  type: 'object', required: ['amount', 'why'],
  properties: {
    amount: { type: 'integer', title: 'Amount' }, why: { type: 'string', description: 'In a few words' }, plan: { enum: ['a', 'b'] }, sure: { type: 'boolean' }, day: { type: 'string', format: 'date' }, list: { type: 'array' },
  },
};

test('a flat schema becomes fields; what cannot be filled in is left out, or no form at all', () => {
  const fields = fieldsOf(schema);
  expect(fields?.map((field) => [field.name, field.kind, field.required, field.input])).toEqual([
    ['amount', 'number', true, 'text'], ['why', 'string', true, 'text'], ['plan', 'string', false, 'text'], ['sure', 'boolean', false, 'text'], ['day', 'string', false, 'date'],
  ]);
  expect(fields?.[2]?.options).toEqual(['a', 'b']);
  expect(fieldsOf({ type: 'object', required: ['list'], properties: { list: { type: 'array' } } })).toBeNull();
  expect([fieldsOf(null), fieldsOf({}), fieldsOf({ properties: {} })]).toEqual([null, null, null]);
});

test('what is filled in becomes the value, or says what is wrong', () => {
  const fields = fieldsOf(schema) ?? [];
  expect(valueOf(fields, { amount: '12', why: ' Late ', sure: true }, 'missing', 'number')).toEqual({ value: { amount: 12, why: 'Late', sure: true }, problems: {} });
  expect(valueOf(fields, { amount: '1.5' }, 'missing', 'number').problems).toEqual({ amount: 'number', why: 'missing' });
});

test('times to choose from are to come, in order, each once', () => {
  for (const text of ['2026-11-23T09:00:00', '2026-11-22T23:50:00', '2026-11-27T17:30:00', '2026-11-29T07:00:00']) {
    const now = Date.parse(text);
    const all = choices(now);
    expect(all.every(({ at }) => at > now)).toBe(true);
    expect(new Set(all.map(({ at }) => at)).size).toBe(all.length);
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort((a, b) => a - b));
  }
  expect(localInput(Date.parse('2026-11-03T07:05:00'))).toBe('2026-11-03T07:05');
});
