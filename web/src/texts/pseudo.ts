// English made longer and stranger: what is still plain on the page was forgotten, and what is cut off has no room for other languages.
const strange: Record<string, string> = { a: 'å', e: 'é', i: 'î', o: 'ö', u: 'û', y: 'ý', c: 'ç', n: 'ñ', s: 'š', z: 'ž', A: 'Å', E: 'É', I: 'Î', O: 'Ö', U: 'Û', C: 'Ç', N: 'Ñ', S: 'Š' };

/** A sentence between brackets, a third longer. */
export const stranger = (text: string): string => `⟦${[...text].map((sign) => strange[sign] ?? sign).join('')}${'·'.repeat(Math.ceil(text.length / 3))}⟧`;

/** Makes every sentence of a tree stranger, in place. */
export function pseudo(words: object): void {
  const tree = words as Record<string, unknown>;
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') tree[key] = stranger(value);
    else if (typeof value === 'function') tree[key] = (...given: unknown[]) => { const said = (value as (...all: unknown[]) => unknown)(...given); return typeof said === 'string' ? stranger(said) : said; };
    else if (typeof value === 'object' && value !== null) pseudo(value);
  }
}
