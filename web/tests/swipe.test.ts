import { expect, test } from 'vitest';
import { wayOf } from '../src/state/swipe.ts';

test('a swipe goes sideways; what goes down as much is scrolling', () => {
  expect(wayOf(40, 5)).toBe('right');
  expect(wayOf(-40, -5)).toBe('left');
  expect(wayOf(11, 0)).toBeNull();
  expect(wayOf(40, 30)).toBeNull();
});
