// Choices that follow the account into every browser. The browser's own copy is what counts while the server is away.
import { accountSettings, type AccountSettings } from '../wire/api.ts';
import { languages } from '../texts/language.ts';
import { applyTheme, followed, keepPrefs, prefs, type Followed, type Prefs } from './prefs.svelte.ts';

const one = <T extends string>(value: string | null, allowed: readonly T[]): T | undefined => allowed.find((each) => each === value);

/** The choices of an account as this page has them; what was not chosen, or is not known here, is left out. */
export function toPrefs(settings: AccountSettings): Partial<Pick<Prefs, Followed>> {
  const language = one(settings.language?.toLowerCase().split('-')[0] ?? null, Object.keys(languages) as (keyof typeof languages)[]);
  const theme = one(settings.theme, ['system', 'light', 'dark'] as const);
  const density = one(settings.density, ['roomy', 'cosy', 'compact'] as const);
  const seconds = settings.undo_seconds;
  return {
    ...(language === undefined ? {} : { language }), ...(theme === undefined ? {} : { theme }), ...(density === undefined ? {} : { density }),
    ...(typeof settings.keys === 'boolean' ? { keys: settings.keys } : {}),
    // Of any number of seconds, the nearest of those to choose from.
    ...(typeof seconds === 'number' ? { undo: seconds >= 20 ? 30 as const : seconds >= 5 ? 10 as const : 0 as const } : {}),
  };
}

/** The same the other way round, of those that changed. The browser's own language is no choice. */
export function toSettings(from: Pick<Prefs, Followed>, changed: readonly Followed[]): Partial<AccountSettings> {
  const all: { [K in Followed]: Partial<AccountSettings> } = {
    language: { language: from.language in languages ? from.language : null }, theme: { theme: from.theme }, density: { density: from.density }, keys: { keys: from.keys }, undo: { undo_seconds: from.undo },
  };
  return Object.assign({}, ...changed.map((key) => all[key])) as Partial<AccountSettings>;
}

/** Sends what was chosen here and is not known there yet. What cannot be sent now goes with the next one, or the next page. */
export async function tell(): Promise<AccountSettings | null> {
  const changed = followed.filter((key) => prefs.unsent.includes(key));
  if (changed.length === 0) return null;
  const sent = { ...prefs };
  const settings = await accountSettings.change(toSettings(sent, changed));
  // What was chosen anew meanwhile is still to be sent.
  prefs.unsent = prefs.unsent.filter((key) => !changed.includes(key) || prefs[key] !== sent[key]);
  keepPrefs();
  return settings;
}

/** Takes up what the account has chosen elsewhere; whether another language is to be spoken, which is so from the next page on. */
export async function recall(): Promise<boolean> {
  const settings = await tell() ?? await accountSettings.get();
  const { language } = prefs;
  const chosen = Object.entries(toPrefs(settings)).filter(([key]) => !prefs.unsent.includes(key as Followed));
  Object.assign(prefs, Object.fromEntries(chosen));
  keepPrefs();
  applyTheme();
  return prefs.language !== language;
}
