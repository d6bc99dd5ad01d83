// What is typed above the list: words and operators, as the server's `q` takes them, and as far as the copy can tell them.
import type { Thread } from '../wire/types.ts';

/** One term: a word, a phrase, or an operator with its value. */
export interface Term { not: boolean; operator: string; value: string; quoted: boolean }

const OPERATORS = new Set(['from', 'to', 'subject', 'is', 'has', 'in', 'label', 'keyword', 'before', 'after']);
const STATES = new Set(['unread', 'unseen', 'read', 'seen', 'starred', 'flagged', 'unstarred', 'unflagged']);
const FILES = new Set(['file', 'files', 'attachment', 'attachments']);

/** Reads `from:ines -is:unread "garden room" plan`. An operator that is still without its value is left out. */
export function terms(text: string): Term[] {
  const out: Term[] = [];
  for (const match of text.matchAll(/(-(?=[^\s-]))?(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))?/gi)) {
    if (match[0] === '') continue;
    let operator = (match[2] ?? '').toLowerCase();
    let value = match[3] ?? match[4] ?? '';
    const quoted = match[3] !== undefined;
    if (operator !== '' && !OPERATORS.has(operator)) { value = `${match[2] ?? ''}:${value}`; operator = ''; }
    if (operator === 'has' && FILES.has(value.toLowerCase())) value = 'attachment';
    const odd = (operator === 'is' && !STATES.has(value.toLowerCase())) || (operator === 'has' && value !== 'attachment')
      || ((operator === 'before' || operator === 'after') && !/^\d{4}-\d\d-\d\d/.test(value));
    if (odd) continue; // not finished yet, or nothing
    if (value === '' || (operator === '' && !/[\p{L}\p{N}]/u.test(value))) continue;
    out.push({ not: match[1] !== undefined, operator, value, quoted });
  }
  return out.slice(0, 60);
}

/** The query for the server: what is typed of a word is enough to find it. */
export function toServer(all: readonly Term[]): string {
  return all.map(({ not, operator, value, quoted }) => {
    const word = operator === '' || operator === 'from' || operator === 'to' || operator === 'subject';
    const plain = !/[\s"()]/.test(value);
    const safe = plain && !quoted ? value : `"${value.replaceAll('"', ' ')}"`;
    const begun = word && !quoted && plain && value.length > 1 && /[\p{L}\p{N}]$/u.test(value) ? '*' : '';
    return `${not ? '-' : ''}${operator === '' ? (plain && value.includes(':') ? `"${value}"` : safe) : `${operator}:${safe}`}${begun !== '' && !value.includes(':') ? '*' : ''}`;
  }).join(' ').slice(0, 1000);
}

/** A term as it is typed. */
export const written = ({ not, operator, value, quoted }: Term): string =>
  `${not ? '-' : ''}${operator === '' ? '' : `${operator}:`}${quoted || /\s/.test(value) ? `"${value}"` : value}`;

/** Whether a term names where to look. */
export const placed = (all: readonly Term[]): boolean => all.some((term) => term.operator === 'in' && !term.not);

const people = (list: readonly { name: string | null; address: string }[]): string => list.map((who) => `${who.name ?? ''} ${who.address}`).join(' ').toLowerCase();

/** The same query over the copy: what rows show, without the whole text. */
export function localTest(all: readonly Term[]): (thread: Thread) => boolean {
  return (thread) => {
    const { latest } = thread;
    const from = people(thread.participants);
    const to = people([...latest.to, ...latest.cc]);
    const at = Date.parse(latest.received_at);
    return all.every(({ not, operator, value }) => {
      const wanted = value.toLowerCase();
      let holds: boolean;
      if (operator === '') holds = `${thread.subject} ${latest.preview} ${from} ${to}`.toLowerCase().includes(wanted);
      else if (operator === 'from') holds = from.includes(wanted);
      else if (operator === 'to') holds = to.includes(wanted);
      else if (operator === 'subject') holds = thread.subject.toLowerCase().includes(wanted);
      else if (operator === 'has') holds = thread.has_attachment;
      else if (operator === 'label' || operator === 'keyword') holds = latest.keywords.includes(wanted);
      else if (operator === 'in') holds = latest.mailbox === wanted;
      else if (operator === 'before') holds = at < Date.parse(value);
      else if (operator === 'after') holds = at >= Date.parse(value);
      else if (wanted === 'unread' || wanted === 'unseen') holds = thread.unread_count > 0;
      else if (wanted === 'read' || wanted === 'seen') holds = thread.unread_count === 0;
      else if (wanted === 'starred' || wanted === 'flagged') holds = thread.flagged;
      else holds = !thread.flagged;
      return holds !== not;
    });
  };
}
