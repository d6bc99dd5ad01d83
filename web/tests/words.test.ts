import { describe, expect, test } from 'vitest';
import { hue, initials, isService, nameOf, parseAddress, splitAddresses } from '../src/words/address.ts';
import { browserName } from '../src/words/browser.ts';
import { shared } from '../src/words/shared.ts';
import { links } from '../src/words/links.ts';
import { fold, quote } from '../src/words/quotes.ts';
import { size } from '../src/words/size.ts';
import { atMoment, grouper, left, moment, short, span } from '../src/words/time.ts';

const at = (month: number, day: number, hour = 0, minute = 0, year = 2026): number => new Date(year, month - 1, day, hour, minute).getTime();
const now = at(11, 26, 10, 12); // a Thursday

describe('times', () => {
  test('rows', () => {
    expect([at(11, 26, 9, 41), at(11, 25, 23, 59), at(11, 21, 8), at(11, 20, 8), at(12, 3, 8, 0, 2025)].map((time) => short(time, now))).toEqual(['09:41', 'Wed', 'Sat', 'Fri', '3 Dec 2025']);
    expect(short(at(11, 19, 8), now)).toBe('19 Nov');
  });
  test('sentences', () => {
    expect(moment(at(11, 26, 16), now)).toBe('16:00');
    expect(moment(at(11, 27, 9), now)).toBe('tomorrow 09:00');
    expect(moment(at(11, 25, 17, 20), now)).toBe('yesterday 17:20');
    expect(moment(at(11, 29, 8), now)).toBe('Sun 08:00');
    expect(moment(at(1, 3, 8), now)).toBe('3 Jan 08:00');
    expect(atMoment(at(11, 26, 10, 13), now)).toBe(' at 10:13');
    expect(atMoment(at(11, 24, 10, 13), now)).toBe(', Tue 10:13');
  });
  test('spans round down and name two units at most', () => {
    expect([0, 45_000, 60_000, 3_600_000, 20_880_000, 86_400_000, 100_000_000, 2 * 86_400_000 + 7_200_000].map(span)).toEqual(['0 s', '45 s', '1 min', '1 h', '5 h 48 min', '1 day', '1 day 3 h', '2 days 2 h']);
    expect(left(now, now)).toBe('over');
    expect(left(at(11, 26, 16), now)).toBe('in 5 h 48 min');
  });
  test('groups: weeks begin on Monday, other months by name', () => {
    const group = grouper(now);
    expect([at(11, 26), at(11, 25, 23), at(11, 23), at(11, 22, 23), at(11, 16), at(11, 15, 23), at(10, 31), at(12, 31, 0, 0, 2025)].map(group))
      .toEqual(['today', 'yesterday', 'week', 'lastWeek', 'lastWeek', 'November', 'October', 'December 2025']);
    expect(group(at(11, 27))).toBe('today');
  });
});

test('sizes', () => expect([0, 999, 1000, 84_123, 999_499, 999_500, 3_100_000, 26_214_400].map(size)).toEqual(['0 B', '999 B', '1 kB', '84 kB', '999 kB', '1.0 MB', '3.1 MB', '26 MB']));

describe('links', () => {
  const found = (text: string): (string | null)[] => links(text).filter((piece) => piece.href !== null).map((piece) => `${piece.text} ${piece.href}`);
  test('addresses of the web and of people', () => {
    expect(found('See https://ci.example.org/4821, or www.example.org. Ask ana@example.org!')).toEqual([
      'https://ci.example.org/4821 https://ci.example.org/4821', 'www.example.org https://www.example.org/', 'ana@example.org mailto:ana@example.org']);
  });
  test('brackets belong to a link only if it opened them', () => {
    expect(found('(https://x.test/a)')).toEqual(['https://x.test/a https://x.test/a']);
    expect(found('https://x.test/a_(b)')).toEqual(['https://x.test/a_(b) https://x.test/a_(b)']);
  });
  test('nothing but http, https and mailto, and no credentials', () => {
    for (const text of ['javascript:alert(1)', 'data:text/html,x', 'https://user:secret@bank.example/', 'vbscript:x', 'file:///etc/passwd']) expect(found(text).filter((each) => each?.includes('https://user') || !/ (?:https?|mailto):/.test(each ?? ''))).toEqual([]);
  });
  test('hostile text comes out as the same text', () => {
    for (const text of ['a@a.co?]<img/src="x"/onerror=alert(1)>', 'https://x.test/"><script>alert(1)</script>', '\u202ehttps://x.test', '[x]: javascript:alert(1) "y"']) {
      expect(links(text).map((piece) => piece.text).join('')).toBe(text);
      for (const piece of links(text)) if (piece.href !== null) expect(piece.href).toMatch(/^(?:https?:\/\/|mailto:)[^<>"\s]*$/);
    }
  });
  test('long texts take linear time', () => {
    const start = performance.now();
    for (const text of ['a.'.repeat(200_000), 'a@'.repeat(200_000), `https://${'('.repeat(100_000)}`, 'www.'.repeat(100_000)]) expect(links(text).map((piece) => piece.text).join('')).toBe(text);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('quotes', () => {
  test('a reply above, its quote with introduction behind', () => {
    const text = 'Yes.\n\nOn Thu, 26 Nov 2026, Ana wrote:\n> Shall we?\n> Ana';
    expect(fold(text)).toEqual([{ quoted: false, text: 'Yes.\n' }, { quoted: true, text: 'On Thu, 26 Nov 2026, Ana wrote:\n> Shall we?\n> Ana' }]);
  });
  test('an introduction over two lines, in German, and Windows line ends', () => {
    expect(fold('Ja\r\n\r\nAm 26. November schrieb Ana:\r\n\r\n> Hallo').map((block) => block.quoted)).toEqual([false, true]);
    expect(fold('Yes\n\nOn Thursday the 26th, at ten in the morning,\nAna Okafor wrote:\n> Hi').map((block) => block.quoted)).toEqual([false, true]);
  });
  test('answers between quotes stay in sight', () => {
    expect(fold('> One?\nYes\n> Two?\nNo').map((block) => block.quoted)).toEqual([true, false, true, false]);
  });
  test('an original message is quoted to the end', () => {
    expect(fold('Fine\n-----Original Message-----\nFrom: x\nText')).toEqual([{ quoted: false, text: 'Fine' }, { quoted: true, text: '-----Original Message-----\nFrom: x\nText' }]);
  });
  test('a sentence that ends in "wrote:" without a quote is no introduction', () => {
    expect(fold('On Monday he wrote:\nDear all').every((block) => !block.quoted)).toBe(true);
  });
  test('nothing is lost', () => {
    for (const text of ['', 'a', '> a', 'a\n\n> b\n\nc\n', 'On x wrote:\n\n> y\n\n\n> z\nend']) expect(fold(text).map((block) => block.text).join('\n')).toBe(text);
  });
  test('quoting', () => expect(quote('a\r\n\n> b\n')).toBe('> a\n>\n>> b'));
});

describe('addresses', () => {
  test('one recipient as people type it', () => {
    expect(parseAddress(' ana@example.org ')).toEqual({ name: null, address: 'ana@example.org' });
    expect(parseAddress('Ana Okafor <ana@example.org>')).toEqual({ name: 'Ana Okafor', address: 'ana@example.org' });
    expect(parseAddress('"Okafor, Ana" <ana@example.org>')).toEqual({ name: 'Okafor, Ana', address: 'ana@example.org' });
    for (const wrong of ['', 'ana', 'ana@', '@x', 'a b@c', 'a@b@c', 'Ana <ana>']) expect(parseAddress(wrong)).toBeNull();
  });
  test('lists are cut at commas that are not inside names', () => {
    expect(splitAddresses('"Okafor, Ana" <a@b.c>, d@e.f; g@h.i\n, ')).toEqual(['"Okafor, Ana" <a@b.c>', 'd@e.f', 'g@h.i']);
  });
  test('names cannot turn the line around or hide signs', () => {
    expect(nameOf({ name: '\u202eecilA\u0000', address: 'x@y.z' })).toBe('ecilA');
    expect(nameOf({ name: '\u200b', address: 'bo@y.z' })).toBe('bo');
    expect(nameOf(null)).toBe('(no sender)');
  });
  test('pictures', () => {
    expect(['Ana Okafor', 'Ana van der Berg', 'ana', '(?)', 'Émile Zola'].map((name) => initials({ name, address: 'x@y.z' }))).toEqual(['AO', 'AB', 'A', '?', 'ÉZ']);
    expect(hue('Ana@Example.org')).toBe(hue('ana@example.org'));
    expect(['deploy-bot@x.y', 'no-reply@x.y', 'abbot@x.y', 'ana@x.y'].map((address) => isService({ name: null, address }))).toEqual([true, true, false, false]);
    expect(isService({ name: 'deploy-bot', address: 'a@b.c', kind: 'person' })).toBe(false);
  });
});

test('browsers', () => {
  expect(browserName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36')).toBe('Chrome on Linux');
  expect(browserName('Mozilla/5.0 (iPhone; CPU iPhone OS 18) Version/18.0 Safari/604.1')).toBe('Safari on iPhone');
  expect(browserName('curl/8.1')).toBe('curl');
  expect(browserName(null)).toBeNull();
});

test('what other programs hand over to be written', () => {
  expect(shared('?subject=Plan&text=See&url=https%3A%2F%2Fx.test')).toEqual({ to: [], cc: [], subject: 'Plan', text: 'See\nhttps://x.test' });
  expect(shared(`?mailto=${encodeURIComponent('mailto:ana%40example.org,bo@x.test?subject=1+1%20is&cc=c@x.test&body=Hi')}`))
    .toEqual({ to: [{ name: null, address: 'ana@example.org' }, { name: null, address: 'bo@x.test' }], cc: [{ name: null, address: 'c@x.test' }], subject: '1+1 is', text: 'Hi' });
  expect(shared('?mailto=mailto:%25zz')).toMatchObject({ to: [] });
});
