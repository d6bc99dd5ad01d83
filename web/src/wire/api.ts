// The API, one function for each thing this inbox asks of it.
import { call } from './http.ts';
import type { AnswerBody } from '../local/ops.ts';
import type {
  Accepted, Account, Address, Audited, Delivery, Domain, DomainCheck, Forwarding, ForwardingChange, Mailbox, Me, Message, MessageChange, MessageSummary, Mute, Outgoing, Owed, Page, PromiseRecord, Session, Suppression, Thread,
  Sending, ThreadDetail, TimelineItem, Token, Vacation, Webhook, WebhookCall,
} from './types.ts';

/** Filters that both lists know. */
export interface ListQuery { mailbox?: string; seen?: boolean; flagged?: boolean; keyword?: string; cursor?: string | null; limit?: number }
/** Filters of the list of messages alone. */
export interface MessageQuery extends ListQuery { from?: string; to?: string; subject?: string; has_attachment?: boolean; q?: string; after?: string; before?: string }

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
  /** Changes up to 1,000 of the messages that a query finds; `next_cursor` says where to go on. */
  changeFound: (query: Record<string, unknown>, set: MessageChange) => call<{ updated: number; ids: string[]; next_cursor: string | null }>('PATCH', '/v1/messages', { body: { query, set } }),
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

/** A draft as the server keeps it; what the composer alone knows is in its metadata. */
export interface KeptDraft { id: string; updated_at: string; draft: Omit<Partial<Outgoing>, 'undo'> & { metadata?: unknown } }

export const drafts = {
  list: () => call<Page<KeptDraft>>('GET', '/v1/drafts', { query: { limit: 200 } }),
  put: (draft: string, body: KeptDraft['draft']) => call<KeptDraft>('PUT', `/v1/drafts/${id(draft)}`, { body }),
  remove: (draft: string) => call<undefined>('DELETE', `/v1/drafts/${id(draft)}`),
};

export const people = {
  find: (q: string, signal: AbortSignal) => call<Page<Address>>('GET', '/v1/addresses', { query: { q, limit: 8 }, signal }),
};

export const promises = {
  list: (role: 'asker' | 'asked', cursor: string | null = null, limit = 50) =>
    call<Page<PromiseRecord>>('GET', '/v1/promises', { query: { role, state: 'pending', cursor, limit } }),
  answer: (promise: string, body: AnswerBody, key: string) =>
    call<PromiseRecord>('POST', `/v1/promises/${id(promise)}/answer`, { body, headers: { 'idempotency-key': key } }),
  cancel: (promise: string) => call<PromiseRecord>('POST', `/v1/promises/${id(promise)}/cancel`),
  takeBack: (promise: string) => call<unknown>('DELETE', `/v1/promises/${id(promise)}/answer`),
  remind: (promise: string) => call<unknown>('POST', `/v1/promises/${id(promise)}/remind`),
  escalate: (promise: string) => call<unknown>('POST', `/v1/promises/${id(promise)}/escalate`),
  delegate: (promise: string, to: string) => call<unknown>('POST', `/v1/promises/${id(promise)}/delegate`, { body: { to } }),
};

export const administration = {
  accounts: (cursor: string | null) => call<Page<Account>>('GET', '/v1/admin/accounts', { query: { cursor } }),
  create: (body: { name: string; address: string; kind: string; admin: boolean; password: string | null }) => call<Account>('POST', '/v1/admin/accounts', { body }),
  domains: () => call<Page<Domain>>('GET', '/v1/admin/domains'),
  addDomain: (name: string) => call<Domain>('POST', '/v1/admin/domains', { body: { name } }),
  checkDomain: (name: string) => call<{ checks: DomainCheck[] }>('GET', `/v1/admin/domains/${id(name)}/check`),
  audit: (action: string, cursor: string | null) => call<Page<Audited>>('GET', '/v1/admin/audit', { query: { action, cursor } }),
  /** What can be done with something owed, of whatever account. */
  act: (action: 'retry' | 'hold' | 'release' | 'cancel', delivery: string) => call<{ changed: number }>('POST', '/v1/admin/queue', { body: { action, ids: [delivery] } }),
  queue: (cursor: string | null) => call<Page<Owed>>('GET', '/v1/admin/queue', { query: { cursor } }),
  sending: () => call<Sending>('GET', '/v1/admin/sending'),
  setSending: (paused: boolean) => call<Sending>('PATCH', '/v1/admin/sending', { body: { paused } }),
  suppressions: () => call<Page<Suppression>>('GET', '/v1/admin/suppressions'),
  lift: (suppression: string) => call<undefined>('DELETE', `/v1/admin/suppressions/${id(suppression)}`),
};

export const forwarding = {
  list: () => call<Page<Forwarding>>('GET', '/v1/forwarding'),
  add: (address: string, content: Forwarding['content']) => call<Forwarding>('POST', '/v1/forwarding', { body: { address, content } }),
  change: (forwarding: string, change: ForwardingChange) => call<Forwarding>('PATCH', `/v1/forwarding/${id(forwarding)}`, { body: change }),
  remove: (forwarding: string) => call<undefined>('DELETE', `/v1/forwarding/${id(forwarding)}`),
  resend: (forwarding: string) => call<undefined>('POST', `/v1/forwarding/${id(forwarding)}/resend`),
  check: (token: string) => call<{ kind: 'forwarding' | 'reply'; address: string }>('GET', '/v1/confirm', { query: { token } }),
  confirm: (token: string) => call<unknown>('POST', '/v1/confirm', { body: { token } }),
};

export const vacation = {
  get: () => call<Vacation>('GET', '/v1/me/vacation'),
  set: (body: Vacation) => call<Vacation>('PUT', '/v1/me/vacation', { body }),
  end: () => call<undefined>('DELETE', '/v1/me/vacation'),
};

export const mutes = {
  list: (cursor: string | null) => call<Page<Mute>>('GET', '/v1/mutes', { query: { cursor } }),
  add: (sender: string) => call<Mute>('POST', '/v1/mutes', { body: { sender } }),
  remove: (mute: string) => call<undefined>('DELETE', `/v1/mutes/${id(mute)}`),
};

export const webhooks = {
  list: () => call<Page<Webhook>>('GET', '/v1/webhooks'),
  add: (url: string, types: string[]) => call<Webhook>('POST', '/v1/webhooks', { body: { url, types } }),
  enable: (webhook: string) => call<Webhook>('PATCH', `/v1/webhooks/${id(webhook)}`, { body: { enabled: true } }),
  remove: (webhook: string) => call<undefined>('DELETE', `/v1/webhooks/${id(webhook)}`),
  test: (webhook: string) => call<unknown>('POST', `/v1/webhooks/${id(webhook)}/test`),
  rotate: (webhook: string) => call<{ public_key: string; secret: string; created_at: string }>('POST', `/v1/webhooks/${id(webhook)}/rotate`),
  calls: (webhook: string) => call<Page<WebhookCall>>('GET', `/v1/webhooks/${id(webhook)}/deliveries`, { query: { limit: 20 } }),
  again: (webhook: string, delivery: string) => call<unknown>('POST', `/v1/webhooks/${id(webhook)}/redeliver`, { body: { delivery_id: delivery } }),
};

/** Web push (RFC 8030): the browser's own address for messages, and the key they are signed with. */
export const push = {
  key: () => call<{ public_key: string }>('GET', '/v1/push/key'),
  add: (body: { endpoint: string; keys: { p256dh: string; auth: string } }) => call<{ id: string }>('POST', '/v1/push', { body }),
  remove: (subscription: string) => call<undefined>('DELETE', `/v1/push/${id(subscription)}`),
};

/** What follows the account into every browser; null was not chosen. */
export interface AccountSettings { language: string | null; theme: string | null; density: string | null; keys: boolean | null; undo_seconds: number | null }
export const accountSettings = {
  get: () => call<AccountSettings>('GET', '/v1/me/settings'),
  change: (body: Partial<AccountSettings>) => call<AccountSettings>('PATCH', '/v1/me/settings', { body }),
};

export const tokens = {
  list: () => call<Page<Token>>('GET', '/v1/tokens'),
  add: (name: string, scopes: string[] | null, expires_at: string | null) => call<Token>('POST', '/v1/tokens', { body: { name, scopes, expires_at } }),
  remove: (token: string) => call<undefined>('DELETE', `/v1/tokens/${id(token)}`),
};
