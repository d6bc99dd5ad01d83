// What became of a sent message, in plain sentences.
import { reading } from '../texts/reading.ts';
import type { Delivery, DeliveryCounts, DeliveryState, TimelineItem } from '../wire/types.ts';
import { clock, moment, seconds } from './time.ts';

/** How a line looks: done, wanting, in trouble, or on its way. */
export type Tone = 'ok' | 'wait' | 'bad' | 'plain';
/** The line under a sent message. */
export interface Line { tone: Tone; text: string; aside: string }

const words = reading.delivery;

/** The line for counts alone; `deliveries`, where they have been fetched, add numbers and times. */
export function summary(counts: DeliveryCounts, deliveries: readonly Delivery[] | null, now: number): Line {
  const { total } = counts;
  const arrived = counts.delivered + counts.relayed;
  const tries = Math.max(0, ...(deliveries ?? []).filter((each) => each.state === 'delayed').map((each) => each.attempts));
  const next = soonest(deliveries);
  const last = latest(deliveries);
  const aside = next !== null ? words.next(moment(next, now)) : last !== null ? (total > 1 ? words.last(moment(last, now)) : words.at(moment(last, now))) : '';
  if (counts.failed > 0) return { tone: 'bad', text: total === 1 ? words.failed : words.someFailed(counts.failed, total), aside };
  if (counts.delayed > 0) return { tone: 'bad', text: words.delayed(tries), aside };
  if (arrived === total && total > 0) {
    return { tone: 'ok', text: total === 1 ? words.delivered : total === 2 ? words.deliveredBoth : words.deliveredAll(total), aside };
  }
  if (counts.held > 0) return { tone: 'plain', text: words.held, aside: '' };
  if (counts.canceled === total && total > 0) return { tone: 'plain', text: words.canceled, aside: '' };
  if (counts.scheduled > 0) return { tone: 'plain', text: next === null ? words.state.scheduled : words.scheduled(moment(next, now)), aside: '' };
  if (arrived > 0) return { tone: 'plain', text: words.some(arrived, total), aside };
  return { tone: 'plain', text: counts.sending > 0 ? words.sending : words.queued, aside: '' };
}

function soonest(deliveries: readonly Delivery[] | null): number | null {
  const times = (deliveries ?? []).filter((each) => each.state === 'delayed' || each.state === 'scheduled').map((each) => Date.parse(each.next_attempt_at ?? '')).filter(Number.isFinite);
  return times.length === 0 ? null : Math.min(...times);
}

function latest(deliveries: readonly Delivery[] | null): number | null {
  const times = (deliveries ?? []).map((each) => Date.parse(each.settled_at ?? '')).filter(Number.isFinite);
  return times.length === 0 ? null : Math.max(...times);
}

/** The pill of one recipient. */
export function pillOf(state: DeliveryState): { tone: Tone; text: string } {
  const tone: Tone = state === 'delivered' || state === 'relayed' ? 'ok' : state === 'failed' || state === 'delayed' ? 'bad' : 'plain';
  return { tone, text: words.state[state] };
}

/** One line of a recipient's timeline. `reply` is what the other server said. */
export interface Step { at: string; tone: Tone; text: string; reply: string; key: string }

/** What the other server meant, by its enhanced status code (RFC 3463) or its reply code. */
export function meaning(code: string | null, enhanced: string | null): string {
  const subject = /^\d\.(\d+)\.(\d+)/.exec(enhanced ?? '');
  const detail = subject === null ? '' : `${subject[1]}.${subject[2]}`;
  const known = words.meanings;
  return (detail in known ? known[detail] : code === null ? known.none : code.startsWith('4') ? known[4] : known[5]) as string;
}

const reply = (item: { code: number | string | null; enhanced_code: string | null; diagnostic: string | null }): string => {
  const diagnostic = item.diagnostic ?? '';
  const prefix = [item.code === null ? '' : String(item.code), item.enhanced_code ?? ''].filter((part) => part !== '' && !diagnostic.includes(part)).join(' ');
  return [prefix, diagnostic].filter((part) => part !== '').join(' ');
};

/** A recipient's timeline: what happened, then what comes next. Items without a recipient (acceptance) count for all. */
export function steps(delivery: Delivery, timeline: readonly TimelineItem[], now: number): Step[] {
  const out: Step[] = [];
  let tries = 0;
  const add = (at: string, tone: Tone, text: string, said = ''): void => { out.push({ at, tone, text, reply: said, key: `${out.length}` }); };
  for (const item of timeline) {
    if (item.recipient !== null && item.recipient.toLowerCase() !== delivery.recipient.toLowerCase()) continue;
    const at = seconds(Date.parse(item.at));
    const code = item.code === null ? null : String(item.code);
    if (item.kind === 'accepted') add(at, 'ok', words.step.accepted);
    else if (item.kind === 'delivered') add(at, 'ok', words.step.delivered, reply(item));
    else if (item.kind === 'put_off') add(at, 'wait', words.step.putOff, reply(item));
    else if (item.kind === 'relayed') { tries += 1; add(at, 'ok', words.step.relayed(tries), reply(item)); }
    else if (item.kind === 'attempt' || item.kind === 'delayed') { tries += 1; add(at, 'wait', words.step.attempt(tries, meaning(code, item.enhanced_code)), reply(item)); }
    else if (item.kind === 'failed') { add(at, 'bad', words.step.failed(words.classes[delivery.reason?.class ?? ''] ?? words.classes.other ?? '', meaning(code, item.enhanced_code)), reply(item)); }
    else if (item.kind === 'canceled') add(at, 'plain', words.step.canceled);
  }
  if (out.length > 0 && (delivery.state === 'delayed' || (delivery.state === 'queued' && delivery.attempts > 0)) && delivery.next_attempt_at !== null) {
    const when = Date.parse(delivery.next_attempt_at);
    add(clock(when), 'plain', when <= now ? words.step.soon : words.step.next(moment(when, now)));
  }
  return out;
}
