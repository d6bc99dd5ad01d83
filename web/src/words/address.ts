// Addresses and names (RFC 5322, as people type them).
import { texts } from '../texts.ts';
import type { Address } from '../wire/types.ts';

/** What to call somebody: the name, else what stands before the @. */
export const nameOf = (who: Address | null): string => isolated(plainName(who));
function plainName(who: Address | null): string {
  if (who === null) return texts.nobody;
  const name = clean(who.name ?? '');
  return name !== '' ? name : (who.address.split('@')[0] ?? who.address) || texts.nobody;
}

/** A text that runs from right to left, fenced in (UAX 9, isolates), so that it leaves the order of the sentence around it alone. */
export const isolated = (text: string): string => (/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u.test(text) ? `\u2068${text}\u2069` : text);

/** A name without what could make it look like another: control characters and direction overrides. */
export const clean = (text: string): string => text.replaceAll(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu, '').trim();

/** The first name only, where several are listed. */
export const firstName = (who: Address): string => (isolated(isService(who) ? plainName(who) : (plainName(who).split(' ')[0] ?? plainName(who))));

/** Whether two addresses are the same mailbox: letter case does not count. */
export const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** One or two letters for the round picture. */
export function initials(who: Address): string {
  const words = plainName(who).split(/[\s._-]+/u).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters.map((word) => [...(word ?? '?')][0]?.toUpperCase() ?? '?').join('');
}

/** A hue, from 0 to 359, that stays the same for an address. */
export function hue(address: string): number {
  let hash = 2_166_136_261;
  for (const sign of address.toLowerCase()) hash = Math.imul(hash ^ (sign.codePointAt(0) ?? 0), 16_777_619);
  return (hash >>> 0) % 360;
}

const serviceLike = /(?:^|[\W_])(?:bots?|agent|service|daemon|noreply|no-reply|donotreply|notifications?|alerts?|cron|ci|backups?|monitor|status|builds?|system)(?:$|[\W_])/iu;

/** Whether to draw a service: what the server says, else what the address looks like. */
export function isService(who: Address): boolean {
  if (who.kind !== undefined) return who.kind === 'service';
  return serviceLike.test(`${who.address.split('@')[0] ?? ''} ${who.name ?? ''}`);
}

const oneAddress = /^[^\s@<>(),;:"]{1,64}@[^\s@<>(),;:"]{1,253}$/u;

/** Reads one typed recipient: `ana@example.org`, `Ana <ana@example.org>` or `"A, B" <a@b>`. Null if it is none. The server has the last word. */
export function parseAddress(text: string): Address | null {
  const trimmed = text.trim();
  const named = /^(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<([^<>]+)>$/u.exec(trimmed);
  const address = (named?.[3] ?? trimmed).trim();
  if (!oneAddress.test(address)) return null;
  const name = clean((named?.[1] ?? named?.[2] ?? '').replaceAll(/\\(.)/gu, '$1'));
  return { name: name === '' ? null : name, address };
}

/** Cuts typed or pasted text at commas, semicolons and line ends that are not within quotes or angle brackets. */
export function splitAddresses(text: string): string[] {
  const out: string[] = [];
  let part = '';
  let quoted = false;
  let angle = false;
  for (const sign of text) {
    if (sign === '"') quoted = !quoted;
    else if (sign === '<' && !quoted) angle = true;
    else if (sign === '>' && !quoted) angle = false;
    if (!quoted && !angle && (sign === ',' || sign === ';' || sign === '\n')) { out.push(part); part = ''; } else part += sign;
  }
  out.push(part);
  return out.map((each) => each.trim()).filter((each) => each !== '');
}

/** `Ana <ana@example.org>`, or the address alone. */
export const written = (who: Address): string => (who.name === null || who.name === '' ? who.address : `${clean(who.name)} <${who.address}>`);
