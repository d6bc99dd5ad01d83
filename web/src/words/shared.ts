// What another program hands over to be written: the fields of a share, or a mailto link (RFC 6068).
import type { Address } from '../wire/types.ts';
import { parseAddress, splitAddresses } from './address.ts';

/** The beginning of a message. */
export interface Shared { to: Address[]; cc: Address[]; subject: string; text: string }

const people = (text: string | null): Address[] => splitAddresses(text ?? '').map(parseAddress).filter((who) => who !== null);

/** Reads the query of the address that was opened. */
export function shared(query: string): Shared {
  const given = new URLSearchParams(query);
  const link = given.get('mailto');
  if (link !== null) {
    const [to = '', rest = ''] = link.replace(/^mailto:/i, '').split('?', 2);
    // In a mailto link a plus sign is a plus sign.
    const fields = new Map([...new URLSearchParams(rest.replaceAll('+', '%2B'))].map(([key, value]) => [key.toLowerCase(), value]));
    let decoded = to;
    try { decoded = decodeURIComponent(to); } catch { /* taken as it stands */ }
    return { to: [...people(decoded), ...people(fields.get('to') ?? null)], cc: people(fields.get('cc') ?? null), subject: fields.get('subject') ?? '', text: fields.get('body') ?? '' };
  }
  const text = [given.get('text'), given.get('url')].filter((part) => part !== null && part !== '').join('\n');
  return { to: people(given.get('to')), cc: [], subject: given.get('subject') ?? '', text };
}
