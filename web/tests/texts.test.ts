import { beforeEach, describe, expect, test } from 'vitest';
import { join, texts } from '../src/texts.ts';
import { adminTexts } from '../src/texts/admin.ts';
import { de } from '../src/texts/de.ts';
import { door } from '../src/texts/door.ts';
import { keySheet } from '../src/texts/keys.ts';
import { best, count, localized, number, over, speak, spoken } from '../src/texts/language.ts';
import { menuTexts } from '../src/texts/menus.ts';
import { outbox } from '../src/texts/outbox.ts';
import { reading } from '../src/texts/reading.ts';
import { settings } from '../src/texts/settings.ts';
import { telling } from '../src/texts/telling.ts';
import { writing } from '../src/texts/writing.ts';
import { pseudo } from '../src/texts/pseudo.ts';
import { isolated, nameOf } from '../src/words/address.ts';
import { size } from '../src/words/size.ts';
import { full } from '../src/words/time.ts';

const english = { core: texts, admin: adminTexts, door, keys: keySheet, menus: menuTexts, outbox, reading, settings, telling, writing };

/** Every place of a tree, with what kind of thing is there and how many arguments it takes. */
function shape(tree: unknown, at = ''): string[] {
  if (typeof tree === 'function') return [`${at}(${tree.length})`];
  if (typeof tree !== 'object' || tree === null) return [`${at}:${typeof tree}`];
  return Object.entries(tree).flatMap(([key, value]) => (at === '/core' && key === 'problems' ? [] : shape(value, `${at}/${key}`)));
}
/** Sentences that are the same in both languages. */
function same(one: unknown, other: unknown, at = ''): string[] {
  if (typeof one === 'string') return one === other && /[a-z]{3}/i.test(one) ? [`${at} ${one}`] : [];
  if (typeof one !== 'object' || one === null) return [];
  return Object.entries(one).flatMap(([key, value]) => same(value, (other as Record<string, unknown>)[key], `${at}/${key}`));
}

describe('languages', () => {
  beforeEach(() => { spoken.language = 'en'; spoken.locale = 'en-GB'; });

  test('German has every sentence, taking what the English one takes', () => {
    expect(shape(de).sort()).toEqual(shape(english).sort());
  });

  test('what is the same in both is a name, or a word that both have', () => {
    const both = same(english, de).map((each) => each.split(' ').slice(1).join(' '));
    expect([...new Set(both)].sort()).toEqual(['Ctrl+A', 'Ctrl+Enter', 'Ctrl+K', 'Enter', 'Name', 'Offline', 'Restante', 'Shift+I', 'Shift+J Shift+K', 'Shift+U', 'Spam', 'Webhook', 'Webhooks', 'https'].filter((word) => both.includes(word)));
  });

  test('the first of the reader’s languages that there is', () => {
    expect(best(['fr-FR', 'de-AT', 'en'])).toBe('de');
    expect(best(['fr'])).toBe('en');
    expect(best([])).toBe('en');
  });

  test('sentences are written over in place, those that come later too', async () => {
    const early = localized('test', { deep: { say: 'x' } });
    const held = early.deep;
    over(early, { deep: { say: 'y' } });
    expect(held.say).toBe('y');
    const kept = structuredClone({ name: texts.nav.inbox });
    const groups = texts.groups;
    await speak('de', ['de-CH', 'en']);
    expect(spoken.locale).toBe('de-CH');
    expect(groups.today).toBe('Heute');
    const late = localized('menus', { ...menuTexts, move: 'Move to' });
    expect(late.move).toBe('Verschieben nach');
    expect(texts.nav.inbox).not.toBe(kept.name);
    expect(join(['Ana', 'Bo', 'Cy', 'Di'])).toBe('Ana, Bo und 2 weitere');
    expect(full(Date.parse('2026-12-03T09:41:00Z'))).toMatch(/Donnerstag/);
    spoken.locale = 'de-DE';
    expect(size(3_140_000)).toBe('3,1 MB');
    expect(number(12_345)).toBe('12.345');
  });

  test('numbers, sizes and plurals are written as the language does', () => {
    expect(count(1, 'file')).toBe('1 file');
    expect(count(1200, 'file')).toBe('1,200 files');
    expect(size(3_140_000)).toBe('3.1 MB');
  });

  test('the pseudo-language marks every sentence', () => {
    const words = { one: 'Archive', say: (who: string) => `To ${who}`, deep: [['j', 'Next']], n: 3 };
    pseudo(words);
    expect(words.one).toBe('⟦Årçhîvé···⟧');
    expect(words.say('Ana')).toBe('⟦Tö Åñå··⟧');
    expect(words.deep[0]?.[1]).toMatch(/^⟦.*⟧$/);
    expect(words.n).toBe(3);
  });

  test('a name that runs from right to left is fenced in, others are left as they are', () => {
    expect(isolated('נועה')).toBe('\u2068נועה\u2069');
    expect(nameOf({ name: 'ليلى', address: 'l@example.org' })).toBe('\u2068ليلى\u2069');
    expect(nameOf({ name: 'Ana', address: 'a@example.org' })).toBe('Ana');
  });
});
