// Who gets a reply, and what it starts with.
import { texts } from '../texts.ts';
import type { Address, Message } from '../wire/types.ts';
import { nameOf, same } from './address.ts';
import { quote } from './quotes.ts';
import { full } from './time.ts';

/** Recipients of a message to be written. */
export interface Recipients { to: Address[]; cc: Address[] }

/** Each address once, and none of `without`. */
export function unique(list: readonly Address[], without: readonly string[] = []): Address[] {
  const out: Address[] = [];
  for (const who of list) {
    if (without.some((each) => same(each, who.address)) || out.some((each) => same(each.address, who.address))) continue;
    out.push({ name: who.name, address: who.address });
  }
  return out;
}

/** The recipients of a reply (RFC 5322, 3.6.3): Reply-To or From, and for all also To and Cc, without ourselves. A reply to our own
 *  message goes to those it went to. */
export function recipients(message: Pick<Message, 'direction' | 'from' | 'to' | 'cc' | 'reply_to'>, mine: readonly string[], all: boolean): Recipients {
  if (message.direction === 'out') {
    const to = unique(message.to, mine);
    return { to: to.length > 0 ? to : unique(message.to), cc: all ? unique(message.cc, [...mine, ...to.map((each) => each.address)]) : [] };
  }
  const back = message.reply_to.length > 0 ? message.reply_to : message.from === null ? [] : [message.from];
  const to = all ? unique([...unique(back), ...unique(message.to, mine)]) : unique(back);
  return { to, cc: all ? unique(message.cc, [...mine, ...to.map((each) => each.address)]) : [] };
}

/** `Re: ` before a subject, once. */
export const replySubject = (subject: string): string => (/^\s*(?:re|aw|sv|antw)\s*:/iu.test(subject) ? subject : `Re: ${subject}`);
/** `Fwd: ` before a subject, once. */
export const forwardSubject = (subject: string): string => (/^\s*(?:fwd?|wg)\s*:/iu.test(subject) ? subject : `Fwd: ${subject}`);

/** The quoted message that goes below a reply. */
export function quoted(message: Pick<Message, 'from' | 'received_at' | 'text' | 'preview'>): string {
  const who = message.from === null ? texts.nobody : nameOf(message.from);
  return `${texts.sent.wrote(full(Date.parse(message.received_at)), who)}\n${quote(message.text ?? message.preview)}`;
}

const mentions = /\b(?:attach(?:ed|ment|ments|ing)?|enclosed|anbei|angehängt|anhang)\b/iu;
/** Whether a text speaks of an attachment. */
export const mentionsAttachment = (text: string): boolean => mentions.test(text);
