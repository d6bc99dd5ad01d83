// Which language is spoken. English is in the modules themselves; another one is a module with the same parts, fetched only where it is
// wanted, and written over the English before anything is drawn.

/** The languages to choose from, by what they call themselves. */
export const languages = { en: 'English', de: 'Deutsch' } as const;
/** One of them. */
export type Language = keyof typeof languages;
/** A choice: one of them, or the browser's own. `en-XA` is English made longer and stranger, for tests. */
export type Choice = Language | 'browser' | 'en-XA';

const regions: Record<Language, string> = { en: 'en-GB', de: 'de-DE' };
const parts = new Map<string, object>();
let turn: ((part: string, words: object) => void) | null = null;

class Spoken {
  /** The language of the texts, as the document's `lang` says it. */
  language: Language = 'en';
  /** How times, numbers and lists are written (BCP 47). */
  locale = regions.en;
}
/** The language of this page. It is the same as long as the page lives. */
export const spoken = new Spoken();

/** Makes sentences known under the name of their part, and returns them in the language that is spoken. */
export function localized<T extends object>(part: string, words: T): T {
  parts.set(part, words);
  turn?.(part, words);
  return words;
}

/** Writes one tree of sentences over another: what is held elsewhere stays the same object. */
export function over(words: object, other: object): void {
  const into = words as Record<string, unknown>;
  for (const [key, value] of Object.entries(other)) {
    if (typeof value === 'object' && value !== null && typeof into[key] === 'object') over(into[key] as object, value as object);
    else into[key] = value;
  }
}

/** The first language of the reader's that there is; English if there is none. */
export function best(wanted: readonly string[]): Language {
  for (const each of wanted) { const short = each.toLowerCase().split('-')[0] ?? ''; if (short in languages) return short as Language; }
  return 'en';
}

/** Speaks a language from now on. `wanted` is the browser's own order. Null if there is nothing to wait for. */
export function speak(choice: Choice, wanted: readonly string[]): Promise<void> | null {
  if (choice === 'en-XA') return import('./pseudo.ts').then(({ pseudo }) => turned((_, words) => pseudo(words)));
  spoken.language = choice === 'browser' ? best(wanted) : choice;
  spoken.locale = wanted.find((each) => each.toLowerCase().split('-')[0] === spoken.language) ?? regions[spoken.language];
  if (spoken.language === 'en') return null;
  return import('./de.ts').then(({ de }) => turned((part, words) => over(words, (de as unknown as Record<string, object>)[part] ?? {})));
}
function turned(how: (part: string, words: object) => void): void {
  turn = how;
  for (const [part, words] of parts) how(part, words);
}

/** A format of this locale, made when it is first wanted: making one takes milliseconds. */
export function format<T>(make: (locale: string) => T): () => T {
  let made: { locale: string; value: T } | null = null;
  return () => {
    if (made?.locale !== spoken.locale) made = { locale: spoken.locale, value: make(spoken.locale) };
    return made.value;
  };
}

const numbers = format((locale) => new Intl.NumberFormat(locale));
const lists = format((locale) => new Intl.ListFormat(locale, { style: 'long', type: 'conjunction' }));
const plurals = format((locale) => new Intl.PluralRules(locale));
/** `1,204`. */
export const number = (n: number): string => numbers().format(n);
/** `Ana, Bo and Cy`. */
export const listed = (names: readonly string[]): string => lists().format(names);
/** `1 file`, `2 files`. */
export const count = (n: number, one: string, many = `${one}s`): string => `${number(n)} ${plurals().select(n) === 'one' ? one : many}`;
