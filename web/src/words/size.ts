import { format } from '../texts/language.ts';

const whole = format((locale) => new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }));
const tenths = format((locale) => new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 }));

/** Bytes as people say them: `812 B`, `84 kB`, `3.1 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${whole().format(bytes / 1000)} kB`;
  const mega = bytes / 1_000_000;
  return `${(mega < 9.95 ? tenths() : whole()).format(mega)} MB`;
}
