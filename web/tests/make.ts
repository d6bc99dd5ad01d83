// Shapes for tests, as the server sends them.
import type { Ask, LogEvent, Message, MessageSummary, Thread } from '../src/wire/types.ts';

export const ana = { name: 'Ana Okafor', address: 'ana@example.org' };
export const ines = { name: 'Ines Ferreira', address: 'ines@ferreira.example' };
export const bo = { name: null, address: 'bo@elsewhere.test' };

export const summary = (change: Partial<MessageSummary> = {}): MessageSummary => ({
  id: 'm1', thread_id: 't1', message_id: '<m1@example.org>', mailbox: 'inbox', mailbox_id: 'b1', direction: 'in', from: ines, to: [ana], cc: [], subject: 'Hello', preview: 'Text',
  received_at: '2026-11-23T09:00:00.000Z', sent_at: null, size: 1, seen: true, flagged: false, has_attachment: false, keywords: [], state: null, delivery: null, ask: null, ...change,
});
export const message = (change: Partial<Message> = {}): Message => ({
  ...summary(), mailboxes: ['inbox'], bcc: [], reply_to: [], in_reply_to: null, references: [], headers: [], text: 'Text', html_safe: null, reply_text: null, reply_confidence: null,
  attachments: [], ask: null, ...change,
});
export const thread = (change: Partial<Thread> = {}): Thread => ({
  id: 't1', subject: 'Hello', message_count: 1, unread_count: 0, flagged: false, has_attachment: false, participants: [{ ...ines, me: false }, { ...ana, me: true }], latest: summary(), waiting: null, ...change,
});
export const ask = (change: Partial<Ask> = {}): Ask => ({
  promise_id: 'p1', kind: 'choice', options: [{ name: 'yes', title: 'Approve', comment: null }, { name: 'no', title: 'Reject', comment: 'required' }], settle: 'any',
  deadline: null, on_expiry: null, state: 'pending', value: null, reason: null, settled_at: null, role: 'asked', asked: [{ address: ana.address, answered: false, declined: false }], answers: [], context: {}, ...change,
});
export const event = (change: Partial<LogEvent> = {}): LogEvent => ({ cursor: '2', previous: '1', type: 'message.updated', at: '2026-11-23T09:00:00.000Z', data: {}, ...change });
