// What this browser remembers of how its reader likes it.
import type { Choice } from '../texts/language.ts';

/** The choices under Settings, Appearance. */
export interface Prefs {
  theme: 'system' | 'light' | 'dark'; density: 'roomy' | 'cosy' | 'compact'; keys: boolean; undo: 0 | 10 | 30; listWidth: number; language: Choice; notify: boolean;
  /** Whether the offer to be told was turned down. */
  quiet: boolean;
  /** What was chosen here and the server does not know yet. */
  unsent: Followed[];
}

/** Choices that follow the account into every browser; the others are this browser's. */
export const followed = ['language', 'theme', 'density', 'keys', 'undo'] as const;
/** One of them. */
export type Followed = (typeof followed)[number];

const KEY = 'restante.prefs';
const defaults: Prefs = { theme: 'system', density: 'roomy', keys: true, undo: 10, listWidth: 404, language: 'browser', notify: false, quiet: false, unsent: [] };

function stored(): Prefs {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Prefs>) };
  } catch {
    return { ...defaults };
  }
}

/** The reader's choices; `setPref` changes one and keeps it. */
export const prefs: Prefs = $state(stored());

/** Changes one choice and remembers it. */
export function setPref<K extends keyof Prefs>(key: K, value: Prefs[K]): void {
  prefs[key] = value;
  if (key === 'theme') applyTheme();
  const own = followed.find((each) => each === key);
  if (own !== undefined && !prefs.unsent.includes(own)) prefs.unsent.push(own);
  keepPrefs();
  if (own !== undefined) void import('./account.ts').then(({ tell }) => tell()).catch(() => undefined);
}

/** Remembers the choices in this browser. */
export function keepPrefs(): void {
  try { localStorage.setItem(KEY, JSON.stringify(prefs)); } catch { /* no storage: it lasts as long as the page */ }
}

/** Sets the theme on the document; without a choice the device's own counts. */
export function applyTheme(): void {
  if (prefs.theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = prefs.theme;
}

/** Row heights by density, in CSS pixels. Narrow screens have their own. */
export const rowHeights = { roomy: 76, cosy: 56, compact: 36 } as const;
