// The state of a question card: which face it shows, for whom, and why.
import { texts } from '../texts.ts';
import { listed } from '../texts/language.ts';
import { reading } from '../texts/reading.ts';
import type { Address, Ask, Message, Option } from '../wire/types.ts';
import { nameOf, same } from './address.ts';
import { atMoment, left, moment, span } from './time.ts';

/** What a card shows. `open` can be answered now; the others say what became of the question. */
export type Face =
  | { kind: 'held'; title: string; until: number }
  | { kind: 'open'; due: string }
  | { kind: 'mine' | 'done' | 'late' | 'withdrawn' | 'waiting'; title: string; facts: [string, string][]; text: string };

/** The title of an option by its name; the name itself if there is none. */
export const optionTitle = (ask: Pick<Ask, 'options'>, name: string): string => ask.options.find((option) => option.name === name)?.title ?? name;

/** Names people by the message's own headers. */
export function calling(message: Pick<Message, 'from' | 'to' | 'cc'>, mine: readonly string[]): (address: string) => string {
  const known = new Map<string, Address>();
  for (const who of [message.from, ...message.to, ...message.cc]) if (who !== null) known.set(who.address.toLowerCase(), who);
  return (address) => {
    if (mine.some((each) => same(each, address))) return texts.you;
    return nameOf(known.get(address.toLowerCase()) ?? { name: null, address });
  };
}

/** Which face to show now. `mine` are the reader's own addresses. */
export function face(message: Pick<Message, 'from' | 'to' | 'cc' | 'received_at'>, ask: Ask, mine: readonly string[], now: number): Face {
  const who = calling(message, mine);
  const asker = message.from === null ? texts.nobody : nameOf(message.from);
  const deadline = ask.deadline === null ? null : Date.parse(ask.deadline);
  const settled = ask.settled_at === null ? now : Date.parse(ask.settled_at);
  const when = atMoment(settled, now);
  const answer = ask.answers.find((each) => each.value !== null);
  const facts: [string, string][] = [];
  const note = ask.value?.comment ?? answer?.value?.comment ?? null;
  if (note !== null && note !== '') facts.push([reading.ask.note, note]);
  if (ask.state === 'fulfilled') {
    const option = said(ask, ask.value ?? answer?.value);
    facts.push(...formFacts(ask, ask.value ?? answer?.value));
    if (answer === undefined || answer.via === 'expiry') {
      return { kind: 'late', title: reading.ask.nobody(moment(deadline ?? settled, now)), facts, text: `${reading.ask.countedAs(option)} ${ask.role === 'asker' ? '' : reading.ask.told(asker)}`.trim() };
    }
    facts.push([reading.ask.took, reading.ask.took_(span(settled - Date.parse(message.received_at)))]);
    const by = who(answer.by);
    const title = by === texts.you ? reading.ask.youAnswered(option, when) : reading.ask.otherAnswered(by, option, when);
    return { kind: by === texts.you ? 'mine' : 'done', title, facts, text: '' };
  }
  if (ask.state === 'rejected') {
    const code = ask.reason?.code ?? '';
    if (code === 'expired') {
      return { kind: 'late', title: reading.ask.nobody(moment(deadline ?? settled, now)), facts, text: ask.role === 'asker' ? '' : reading.ask.told(asker) };
    }
    if (code === 'canceled') {
      return { kind: 'withdrawn', title: ask.role === 'asker' ? reading.ask.youWithdrew(when) : reading.ask.withdrawn(asker, when), facts, text: '' };
    }
    if (code === 'undeliverable') return { kind: 'withdrawn', title: reading.ask.undeliverable, facts, text: '' };
    const declined = ask.asked.find((each) => each.declined && mine.some((one) => same(one, each.address)));
    return { kind: 'withdrawn', title: declined === undefined ? reading.ask.declined : reading.ask.youDeclined, facts, text: '' };
  }
  if (ask.role === 'asked' && ask.held !== undefined && ask.held !== null && Date.parse(ask.held.until) > now) {
    return { kind: 'held', title: ask.held.decline !== null ? reading.ask.decline : said(ask, ask.held.value), until: Date.parse(ask.held.until) };
  }
  if (ask.role === 'asker') {
    const open = ask.asked.filter((each) => !each.answered && !each.declined);
    const text = deadline === null ? reading.ask.noDeadline : reading.ask.by(moment(deadline, now), left(deadline, now));
    return { kind: 'waiting', title: reading.ask.youAsked(names(open.map((each) => who(each.address)))), facts: states(ask, who), text };
  }
  const me = ask.asked.find((each) => mine.some((one) => same(one, each.address)));
  if (me?.state === 'delegated') {
    const other = ask.asked.find((each) => each.delegated_by !== undefined && each.delegated_by !== null && same(each.delegated_by, me.address));
    return { kind: 'withdrawn', title: reading.ask.delegated(other === undefined ? texts.nobody : who(other.address)), facts, text: '' };
  }
  if (me?.declined === true) return { kind: 'withdrawn', title: reading.ask.youDeclined, facts, text: '' };
  if (me?.answered === true) {
    const own = ask.answers.find((each) => mine.some((one) => same(one, each.by)));
    const time = own === undefined ? when : atMoment(Date.parse(own.at), now);
    return { kind: 'mine', title: reading.ask.youAnswered(said(ask, own?.value), time), facts, text: '' };
  }
  if (deadline !== null && deadline <= now) return { kind: 'late', title: reading.ask.late, facts, text: '' };
  return { kind: 'open', due: deadline === null ? reading.ask.noDeadline : reading.ask.by(moment(deadline, now), left(deadline, now)) };
}

const names = (list: readonly string[]): string => (list.length === 0 ? texts.nobody : listed(list));

function states(ask: Ask, who: (address: string) => string): [string, string][] {
  if (ask.asked.length < 2) return [];
  return ask.asked.map((each) => [who(each.address), each.declined ? reading.ask.declinedState : each.answered ? reading.ask.answeredState : reading.ask.pendingState]);
}

/** An answer in a few words: the option's title, the text itself, or that the form was filled in. */
export function said(ask: Pick<Ask, 'options' | 'kind'>, value: unknown): string {
  const choice = choiceOf(value);
  if (ask.kind === 'choice') return optionTitle(ask, choice ?? '');
  if (typeof value === 'string') return value.length > 120 ? `${value.slice(0, 120)}…` : value;
  const inner = (value as { text?: unknown } | null)?.text;
  return typeof inner === 'string' ? inner : reading.ask.form;
}

/** What was filled in, name by name. */
function formFacts(ask: Pick<Ask, 'kind'>, value: unknown): [string, string][] {
  return ask.kind === 'form' ? contextFacts(value) : [];
}

/** The chosen name in a value, which may be an object or the plain name. */
export function choiceOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return null;
  const { choice } = value as { choice?: unknown };
  return typeof choice === 'string' ? choice : null;
}

/** The foot of an open card: who else was asked, and what happens with no answer. */
export function foot(message: Pick<Message, 'from' | 'to' | 'cc'>, ask: Ask, mine: readonly string[], now: number): string {
  const who = calling(message, mine);
  const others = ask.asked.map((each) => who(each.address)).filter((name) => name !== texts.you);
  const out: string[] = [];
  if (others.length > 0) out.push(reading.ask.others(names(others), others.length > 1));
  if (ask.deadline !== null) {
    const time = moment(Date.parse(ask.deadline), now);
    const value = choiceOf(ask.on_expiry);
    out.push(value === null ? reading.ask.expires(time) : reading.ask.expiry(time, optionTitle(ask, value)));
  }
  return out.join(' ');
}

/** Facts for the card out of the question's context: what is short and flat, by its own names. */
export function contextFacts(context: unknown): [string, string][] {
  if (typeof context !== 'object' || context === null || Array.isArray(context)) return [];
  return Object.entries(context)
    .filter(([, value]) => typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    .slice(0, 8)
    .map(([key, value]) => [key.charAt(0).toUpperCase() + key.slice(1).replaceAll('_', ' '), typeof value === 'boolean' ? (value ? reading.ask.yes : reading.ask.no) : String(value).slice(0, 300)]);
}

/** The key that chooses an option: y and n for two, digits for more. */
export const optionKey = (at: number, of: number): string => (of <= 2 ? (['y', 'n'][at] ?? '') : at < 9 ? String(at + 1) : '');

/** The option a key chooses, if any. */
export const optionFor = (key: string, options: readonly Option[]): Option | null => options.find((_, at) => optionKey(at, options.length) === key) ?? null;
