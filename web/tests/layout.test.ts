import { describe, expect, test } from 'vitest';
import { headings, Layout } from '../src/state/layout.ts';

const heads = [{ index: 0, label: 'a', tone: 'wait' as const }, { index: 3, label: 'b', tone: 'plain' as const }, { index: 10, label: 'c', tone: 'plain' as const }];
const layout = new Layout(1000, 76, 33, heads);

describe('where rows stand', () => {
  test('a row is below every heading up to it', () => {
    expect(layout.top(0)).toBe(33);
    expect(layout.top(2)).toBe(33 + 2 * 76);
    expect(layout.top(3)).toBe(66 + 3 * 76);
    expect(layout.top(999)).toBe(99 + 999 * 76);
    expect(layout.height).toBe(99 + 1000 * 76);
  });

  test('at() is the inverse of top() for every pixel of a row and of its heading', () => {
    for (const index of [0, 1, 2, 3, 9, 10, 11, 500, 999]) {
      expect(layout.at(layout.top(index))).toBe(index);
      expect(layout.at(layout.top(index) + 75)).toBe(index);
      expect(layout.at(layout.top(index) - 1)).toBe(heads.some((head) => head.index === index) ? index : index - 1);
    }
    expect(layout.at(0)).toBe(0);
    expect(layout.at(layout.height)).toBe(1000);
  });

  test('slices cover exactly the window and keep to their groups', () => {
    const slices = layout.slices(layout.top(2), 3 * 76, 0);
    expect(slices.map((slice) => [slice.heading.label, slice.from, slice.to])).toEqual([['a', 2, 3], ['b', 3, 5]]);
    const all = layout.slices(0, layout.height, 5);
    expect(all.reduce((sum, slice) => sum + slice.to - slice.from, 0)).toBe(1000);
    expect(new Layout(0, 76, 33, []).slices(0, 600, 6)).toEqual([]);
  });

  test('a hundred thousand rows draw no more than a screen of them', () => {
    const many = new Layout(100_000, 76, 33, [{ index: 0, label: 'a', tone: 'plain' }]);
    for (const scroll of [0, 1_234_567, many.height - 900]) {
      const drawn = many.slices(scroll, 900, 6).reduce((sum, slice) => sum + slice.to - slice.from, 0);
      expect(drawn).toBeLessThanOrEqual(26);
      expect(drawn).toBeGreaterThan(11);
    }
  });

  test('reveal moves as little as it can, and shows the heading of a first row', () => {
    expect(layout.reveal(5, layout.top(4), 600)).toBe(layout.top(4));
    expect(layout.reveal(3, layout.top(5), 600)).toBe(layout.top(3) - 33);
    expect(layout.reveal(20, 0, 600)).toBe(layout.top(20) + 76 - 600);
  });
});

describe('headings', () => {
  test('pinned rows come first under their own heading, the rest by group', () => {
    const out = headings(6, (at) => [5, 4, 30, 29, 10, 9][at] ?? 0, [{ count: 2, label: 'Waiting', tone: 'wait' }, { count: 0, label: 'Back', tone: 'plain' }], (time) => (time > 20 ? 'new' : 'old'), (group) => group.toUpperCase());
    expect(out).toEqual([{ index: 0, label: 'Waiting', tone: 'wait' }, { index: 2, label: 'NEW', tone: 'plain' }, { index: 4, label: 'OLD', tone: 'plain' }]);
    let asked = 0;
    expect(headings(100_000, (at) => { asked += 1; return 100_000 - at; }, [], (time) => String(Math.ceil(time / 30_000)), String).map((each) => each.index)).toEqual([0, 10_000, 40_000, 70_000]);
    expect(asked).toBeLessThan(100);
    expect(headings(0, () => 0, [], String, String)).toEqual([]);
  });
});
