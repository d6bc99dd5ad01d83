// Choices that follow the account.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { recall, tell, toPrefs, toSettings } from '../src/state/account.ts';
import { prefs } from '../src/state/prefs.svelte.ts';

const none = { language: null, theme: null, density: null, keys: null, undo_seconds: null };
let kept: Record<string, unknown>;
let away: boolean;
const sent: unknown[] = [];

beforeEach(() => {
  kept = { ...none }; away = false; sent.length = 0;
  Object.assign(prefs, { language: 'browser', theme: 'system', density: 'roomy', keys: true, undo: 10, unsent: [] });
  vi.stubGlobal('document', { documentElement: { dataset: {} } });
  vi.stubGlobal('fetch', (_: string, { method, body }: { method: string; body?: string }) => {
    if (away) return Promise.reject(new TypeError('no network'));
    if (method === 'PATCH') { sent.push(JSON.parse(body ?? '')); Object.assign(kept, JSON.parse(body ?? '')); }
    return Promise.resolve(Response.json(kept));
  });
});
afterEach(() => { vi.unstubAllGlobals(); });

test('what is not chosen, or not known here, stays as this browser has it', () => {
  expect(toPrefs(none)).toEqual({});
  expect(toPrefs({ language: 'fr', theme: 'sepia', density: 'x', keys: false, undo_seconds: 12 })).toEqual({ keys: false, undo: 10 });
  expect(toPrefs({ ...none, language: 'de-AT', theme: 'dark', density: 'compact', undo_seconds: 30 })).toEqual({ language: 'de', theme: 'dark', density: 'compact', undo: 30 });
  expect(toPrefs({ ...none, undo_seconds: 0 })).toEqual({ undo: 0 });
});

test('only what changed is sent; the browser’s own language is no choice', () => {
  expect(toSettings({ ...prefs, language: 'browser' }, ['language'])).toEqual({ language: null });
  expect(toSettings({ ...prefs, language: 'en-XA' }, ['language'])).toEqual({ language: null });
  expect(toSettings({ ...prefs, language: 'de', undo: 30 }, ['language', 'undo'])).toEqual({ language: 'de', undo_seconds: 30 });
});

test('another browser takes it up, and says whether to speak another language', async () => {
  kept = { ...none, language: 'de', theme: 'dark' };
  expect(await recall()).toBe(true);
  expect(prefs).toMatchObject({ language: 'de', theme: 'dark', density: 'roomy' });
  expect(await recall()).toBe(false);
  expect(sent).toEqual([]);
});

test('what was chosen while the server was away wins over what it has, and is sent once', async () => {
  kept = { ...none, theme: 'light', density: 'cosy' };
  Object.assign(prefs, { theme: 'dark', unsent: ['theme'] });
  away = true;
  await expect(recall()).rejects.toThrow();
  expect(prefs).toMatchObject({ theme: 'dark', unsent: ['theme'] });
  away = false;
  await recall();
  expect(sent).toEqual([{ theme: 'dark' }]);
  expect(prefs).toMatchObject({ theme: 'dark', density: 'cosy', unsent: [] });
  expect(await tell()).toBeNull();
});

test('what is chosen anew while it is being sent is sent again', async () => {
  Object.assign(prefs, { theme: 'dark', unsent: ['theme'] });
  const first = tell();
  prefs.theme = 'light';
  await first;
  expect(prefs.unsent).toEqual(['theme']);
  await recall();
  expect(sent).toEqual([{ theme: 'dark' }, { theme: 'light' }]);
  expect(prefs).toMatchObject({ theme: 'light', unsent: [] });
});
