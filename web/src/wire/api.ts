// The API, one function for each thing this inbox asks of it.
import { call } from './http.ts';
import type {
  Accepted, Delivery, Forwarding, Mailbox, Me, Message, MessageChange, MessageSummary, Outgoing, Page, PromiseRecord, Session, Thread,
  ThreadDetail, TimelineItem, Token,
} from './types.ts';

/** Filters that both lists know. */
export interface ListQuery { mailbox?: string; seen?: boolean; flagged?: boolean; keyword?: string; cursor?: string | null; limit?: number }
/** Filters of the list of messages alone. */
export interface MessageQuery extends ListQuery { from?: string; to?: string; subject?: string; has_attachment?: boolean; after?: string; before?: string }

const id = encodeURIComponent;

export const session = {
  me: () => call<Me>('GET', '/v1/me'),
  signIn: (address: string, password: string) => call<Me>('POST', '/v1/session', { body: { address, password } }),
  signOut: () => call<undefined>('DELETE', '/v1/session'),
  list: () => call<Page<Session>>('GET', '/v1/sessions'),
  revoke: (session: string) => call<undefined>('DELETE', `/v1/sessions/${id(session)}`),
  password: (current: string, next: string) => call<undefined>('POST', '/v1/me/password', { body: { current, new: next } }),
  checkSetup: (token: string) => call<{ valid: boolean }>('GET', '/v1/setup', { query: { token } }),
  setup: (body: { token: string; address: string; name: string; password: string }) => call<Me>('POST', '/v1/setup', { body }),
};

export const mail = {
  mailboxes: () => call<Page<Mailbox>>('GET', '/v1/mailboxes'),
  threads: (query: ListQuery, signal?: AbortSignal) => call<Page<Thread>>('GET', '/v1/threads', { query: { ...query }, ...(signal ? { signal } : {}) }),
  thread: (thread: string) => call<ThreadDetail>('GET', `/v1/threads/${id(thread)}`),
  messages: (query: MessageQuery, signal?: AbortSignal) => call<Page<MessageSummary>>('GET', '/v1/messages', { query: { ...query }, ...(signal ? { signal } : {}) }),
  message: (message: string) => call<Message>('GET', `/v1/messages/${id(message)}`),
  change: (ids: string[], set: MessageChange) => call<{ updated: number }>('PATCH', '/v1/messages', { body: { ids, set } }),
  destroy: (message: string) => call<undefined>('DELETE', `/v1/messages/${id(message)}`, { query: { permanent: true } }),
  send: (body: Outgoing, key: string) => call<Accepted>('POST', '/v1/messages', { body, headers: { 'idempotency-key': key } }),
  forward: (message: string, body: Omit<Outgoing, 'in_reply_to'>, key: string) =>
    call<Accepted>('POST', `/v1/messages/${id(message)}/forward`, { body, headers: { 'idempotency-key': key } }),
  cancel: (message: string) => call<{ id: string; state: string }>('POST', `/v1/messages/${id(message)}/cancel`),
  deliveries: (message: string) => call<Page<Delivery>>('GET', `/v1/messages/${id(message)}/deliveries`),
  timeline: (message: string) => call<Page<TimelineItem>>('GET', `/v1/messages/${id(message)}/timeline`),
  retry: (delivery: string) => call<Delivery>('POST', `/v1/deliveries/${id(delivery)}/retry`),
  attachment: (message: string, n: number) => `/v1/messages/${id(message)}/attachments/${n}`,
  raw: (message: string) => `/v1/messages/${id(message)}/raw`,
};

export const promises = {
  list: (role: 'asker' | 'asked', cursor: string | null = null, limit = 50) =>
    call<Page<PromiseRecord>>('GET', '/v1/promises', { query: { role, state: 'pending', cursor, limit } }),
  answer: (promise: string, body: { value: { choice: string }; comment?: string } | { decline: string }, key: string) =>
    call<PromiseRecord>('POST', `/v1/promises/${id(promise)}/answer`, { body, headers: { 'idempotency-key': key } }),
  cancel: (promise: string) => call<PromiseRecord>('POST', `/v1/promises/${id(promise)}/cancel`),
};

export const forwarding = {
  list: () => call<Page<Forwarding>>('GET', '/v1/forwarding'),
  add: (address: string, content: Forwarding['content']) => call<Forwarding>('POST', '/v1/forwarding', { body: { address, content } }),
  change: (forwarding: string, content: Forwarding['content']) => call<Forwarding>('PATCH', `/v1/forwarding/${id(forwarding)}`, { body: { content } }),
  remove: (forwarding: string) => call<undefined>('DELETE', `/v1/forwarding/${id(forwarding)}`),
  resend: (forwarding: string) => call<undefined>('POST', `/v1/forwarding/${id(forwarding)}/resend`),
  check: (token: string) => call<{ kind: string; address: string }>('GET', '/v1/confirm', { query: { token } }),
  confirm: (token: string) => call<unknown>('POST', '/v1/confirm', { body: { token } }),
};

export const tokens = {
  list: () => call<Page<Token>>('GET', '/v1/tokens'),
  add: (name: string, scopes: string[] | null, expires_at: string | null) => call<Token>('POST', '/v1/tokens', { body: { name, scopes, expires_at } }),
  remove: (token: string) => call<undefined>('DELETE', `/v1/tokens/${id(token)}`),
};
