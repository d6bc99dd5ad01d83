import { expect, test } from 'vitest';
import { previewOf } from '../src/words/preview.ts';

test('only pictures of dots and short texts are shown', () => {
  const of = (content_type: string, size = 1000): string | null => previewOf({ content_type, size });
  expect(['image/png', 'image/JPEG', 'image/avif'].map((type) => of(type))).toEqual(['picture', 'picture', 'picture']);
  expect(['text/plain', 'text/html', 'application/json'].map((type) => of(type))).toEqual(['text', 'text', 'text']);
  expect(['image/svg+xml', 'application/pdf', 'application/octet-stream', 'message/rfc822', 'video/mp4', ''].map((type) => of(type))).toEqual([null, null, null, null, null, null]);
  expect([of('image/png', 20_000_001), of('text/plain', 500_001)]).toEqual([null, null]);
});
