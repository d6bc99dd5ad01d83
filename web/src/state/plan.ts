// What the log's events ask to be fetched again. Events name ids only; several of one batch ask for a thing once.
import type { LogEvent } from '../wire/types.ts';

/** What has changed, for the views to fetch. */
export interface Plan {
  threads: Set<string>; messages: Set<string>; destroyed: Set<string>; arrived: Set<string>;
  mailboxes: boolean; promises: boolean; settings: boolean; drafts: boolean;
  /** Events were missed: everything shown is to be fetched again. */
  resync: boolean;
  cursor: string | null;
}

/** Nothing to do yet, from `cursor` on. */
export const noPlan = (cursor: string | null): Plan => ({
  threads: new Set(), messages: new Set(), destroyed: new Set(), arrived: new Set(), mailboxes: false, promises: false, settings: false, drafts: false, resync: false, cursor,
});

/** Adds an event to a plan, and returns the plan. An event that was seen before, by its cursor, adds nothing. */
export function add(plan: Plan, event: LogEvent): Plan {
  if (event.cursor === plan.cursor) return plan;
  if (plan.cursor !== null && event.previous !== null && event.previous !== plan.cursor) plan.resync = true;
  plan.cursor = event.cursor;
  const { message_id: message, thread_id: thread } = event.data;
  if (thread) plan.threads.add(thread);
  if (message) {
    plan.messages.add(message);
    if (event.data.destroyed === true) plan.destroyed.add(message);
  }
  const [subject] = event.type.split('.');
  if (event.type === 'message.received') { plan.arrived.add(message ?? event.cursor); plan.promises = true; }
  if (subject === 'message' || subject === 'mailbox') plan.mailboxes = true;
  if (subject === 'promise' || subject === 'answer' || subject === 'correction') plan.promises = true;
  if (subject === 'draft') plan.drafts = true;
  if (subject === 'forwarding' || subject === 'session') plan.settings = true;
  return plan;
}

/** More than this many threads in one batch are not fetched one by one. */
export const MANY = 25;
/** Whether fetching the first page again is the cheaper way. */
export const wholesale = (plan: Plan): boolean => plan.resync || plan.threads.size > MANY;

/** Milliseconds before the `n`th try to connect again: doubling from 1 s to 30 s, `chance` (0 to 1) taking up to a half away. */
export const backoff = (n: number, chance: number): number => Math.min(30_000, 1000 * 2 ** Math.max(0, n - 1)) * (1 - chance / 2);
