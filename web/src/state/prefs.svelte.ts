// What this browser remembers of how its reader likes it.
import type { Choice } from '../texts/language.ts';

/** The choices under Settings, Appearance. */
export interface Prefs {
  theme: 'system' | 'light' | 'dark'; density: 'roomy' | 'cosy' | 'compact'; keys: boolean; undo: 0 | 10 | 30; listWidth: number; language: Choice; notify: boolean;
}

const KEY = 'restante.prefs';
const defaults: Prefs = { theme: 'system', density: 'roomy', keys: true, undo: 10, listWidth: 404, language: 'browser', notify: false };

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
  try { localStorage.setItem(KEY, JSON.stringify(prefs)); } catch { /* no storage: it lasts as long as the page */ }
  if (key === 'theme') applyTheme();
}

/** Sets the theme on the document; without a choice the device's own counts. */
export function applyTheme(): void {
  if (prefs.theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = prefs.theme;
}

/** Row heights by density, in CSS pixels. Narrow screens have their own. */
export const rowHeights = { roomy: 76, cosy: 56, compact: 36 } as const;
