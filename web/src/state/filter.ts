// What is typed above the list: words for the subject, and a few operators.
import type { MessageQuery } from '../wire/api.ts';

/** Reads `from:ines subject:"loft or garden" is:unread has:file plan`; null if nothing was typed. Bare words look in the subject. */
export function parseFilter(text: string): MessageQuery | null {
  const query: MessageQuery = {};
  const bare: string[] = [];
  for (const match of text.matchAll(/(?:(\w+):)?(?:"([^"]*)"?|(\S+))/g)) {
    const operator = (match[1] ?? '').toLowerCase();
    const value = match[2] ?? match[3] ?? '';
    if (value === '') continue;
    if (operator === 'from') query.from = value;
    else if (operator === 'to') query.to = value;
    else if (operator === 'subject') bare.push(value);
    else if (operator === 'is' && value === 'unread') query.seen = false;
    else if (operator === 'is' && value === 'read') query.seen = true;
    else if (operator === 'is' && value === 'starred') query.flagged = true;
    else if (operator === 'has' && /^(?:file|attachment|files|attachments)$/.test(value)) query.has_attachment = true;
    else if (operator === 'in') query.mailbox = value;
    else bare.push(operator === '' ? value : `${operator}:${value}`);
  }
  if (bare.length > 0) query.subject = bare.join(' ');
  return Object.keys(query).length === 0 ? null : query;
}
