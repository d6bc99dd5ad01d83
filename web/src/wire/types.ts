// The shapes the server sends and takes, as its API contract says. Times are RFC 3339 in UTC, ids are opaque.

/** A page of a list; `next_cursor` is null on the last one. */
export interface Page<T> { items: T[]; next_cursor: string | null; as_of?: string | null }

/** A name and an address (RFC 5322). `kind` is only there where the server knows it. */
export interface Address { name: string | null; address: string; kind?: 'person' | 'service' }
/** One of a thread. */
export interface Participant extends Address { me: boolean }

/** Who is signed in. */
export interface Me {
  id: string; address: string; addresses: string[]; name: string | null; kind: 'person' | 'service'; admin: boolean; scopes: string[];
  domain: string; limits: { message_bytes: number; recipients: number };
}
/** A signed-in browser. */
export interface Session { id: string; created_at: string; last_seen_at: string | null; user_agent: string | null; current: boolean }

/** States of a delivery (RFC 3464 terms). */
export type DeliveryState = 'scheduled' | 'held' | 'queued' | 'sending' | 'delayed' | 'delivered' | 'relayed' | 'failed' | 'canceled';
/** How many of a message's deliveries are in which state. */
export type DeliveryCounts = { total: number } & Record<DeliveryState, number>;
/** States of a promise. */
export type PromiseState = 'pending' | 'fulfilled' | 'rejected';

/** A message as lists have it. */
export interface MessageSummary {
  id: string; thread_id: string; message_id: string; mailbox: string; mailbox_id: string; direction: 'in' | 'out';
  from: Address | null; to: Address[]; cc: Address[]; subject: string; preview: string; received_at: string; sent_at: string | null; size: number;
  seen: boolean; flagged: boolean; has_attachment: boolean; keywords: string[]; snoozed_until?: string | null;
  state: null | 'accepted' | 'scheduled' | 'held' | 'canceled';
  delivery: DeliveryCounts | null;
  ask: null | { promise_id: string; state: PromiseState; role: 'asker' | 'asked'; deadline: string | null; answered: boolean };
}
/** A part offered for download. */
export interface Attachment { n: number; filename: string | null; content_type: string; size: number; inline: boolean; content_id: string | null }
/** One thing to choose. */
export interface Option { name: string; title: string; comment: 'required' | 'optional' | null }
/** What somebody gave back. */
export interface Answer { by: string; at: string; via: string; value: AnswerValue | null; decline?: string | null }
/** The value of an answer to a choice. */
export interface AnswerValue { choice?: string; comment?: string | null }
/** A question as it was sent, with what became of it. */
export interface Ask {
  promise_id: string; kind: string; options: Option[]; settle: unknown; deadline: string | null; on_expiry: unknown;
  state: PromiseState; value: AnswerValue | null; reason: { code: string } | null; settled_at: string | null; role: 'asker' | 'asked';
  asked: { address: string; answered: boolean; declined: boolean; state?: string; delegated_by?: string | null }[]; answers: Answer[]; context: unknown;
  /** Of a form: its JSON Schema. */
  schema?: unknown;
  /** Our own answer, as long as it can be taken back; absent where the server holds none. */
  held?: { until: string; value: unknown; comment: string | null; decline: string | null } | null;
  corrections?: { by: string; at: string; what: string; revision: number }[]; superseded?: boolean; revision?: number;
}
/** A message with all of its content. `html` is hostile and never used here; `html_safe` has been cleaned by the server. */
export interface Message extends Omit<MessageSummary, 'ask'> {
  mailboxes: string[]; bcc: Address[]; reply_to: Address[]; in_reply_to: string | null; references: string[];
  headers: { name: string; value: string }[]; text: string | null; html_safe: string | null;
  reply_text: string | null; reply_confidence: number | null; unverified?: boolean; attachments: Attachment[]; ask: Ask | null;
}
/** A conversation as lists have it. */
export interface Thread {
  id: string; subject: string; message_count: number; unread_count: number; flagged: boolean; has_attachment: boolean;
  participants: Participant[]; latest: MessageSummary;
  waiting: null | { promise_id: string; message_id: string; deadline: string | null };
}
/** A conversation with its messages, oldest first. */
export interface ThreadDetail extends Thread { messages: MessageSummary[]; muted?: boolean }

/** A mailbox with its counts of messages. */
export interface Mailbox { id: string; name: string; role: string | null; total: number; unread: number }

/** One recipient of one sent message. */
export interface Delivery {
  id: string; message_id: string; recipient: string; state: DeliveryState; attempts: number; next_attempt_at: string | null;
  created_at: string; settled_at: string | null;
  last_attempt: null | { at: string; remote: string | null; code: number | string | null; enhanced_code: string | null; diagnostic: string | null };
  reason: null | { class: string; code: string };
}
/** One line of what happened to a message. */
export interface TimelineItem {
  at: string; kind: 'accepted' | 'put_off' | 'attempt' | 'delivered' | 'relayed' | 'failed' | 'canceled' | 'delayed' | 'answered' | 'settled';
  recipient: string | null; remote: string | null; code: number | string | null; enhanced_code: string | null; diagnostic: string | null;
  next_attempt_at: string | null;
}
/** The durable handle of something not finished. */
export interface PromiseRecord {
  id: string; kind: string; state: PromiseState; role: 'asker' | 'asked'; message_id: string | null; deadline: string | null;
  created_at: string; settled_at: string | null; answers: Answer[]; value: unknown;
}

/** One entry of the account's log: ids only, what changed is fetched. */
export interface LogEvent {
  cursor: string; previous: string | null; type: string; at: string;
  data: { message_id?: string | null; thread_id?: string | null; delivery_id?: string | null; promise_id?: string | null; mailbox_id?: string | null; destroyed?: boolean };
}

/** An outside address that mail is also sent to. */
export interface Forwarding {
  id: string; address: string; verified: boolean; content: 'full' | 'notice'; when: 'immediately' | 'digest'; times: string[]; quiet_hours: QuietHours | null; time_zone: string | null;
  paused: boolean; next_at: string | null; created_at: string;
}
/** A part of each day, as `22:00` and `07:00`. */
export interface QuietHours { from: string; until: string }
/** What can be changed of a forwarding; null ends quiet hours. */
export interface ForwardingChange { content?: Forwarding['content']; when?: Forwarding['when']; times?: string[]; quiet_hours?: QuietHours | null; time_zone?: string | null; paused?: boolean }
/** What senders are answered while the account's owner is away. */
export interface Vacation { subject: string | null; text: string; from: string | null; until: string | null }
/** A sender or a conversation that nothing is told of: one of the two. */
export interface Mute { id: string; sender: string | null; thread_id: string | null; created_at: string }
/** An API credential; `token` only in the answer that made it. */
export interface Token { id: string; name: string; scopes: string[] | null; created_at: string; expires_at: string | null; last_used_at?: string | null; token?: string }

/** A program that is told of events by HTTP. `secret` only in the answer that made it. */
export interface Webhook { id: string; url: string; types: string[]; enabled: boolean; disabled_reason: string | null; created_at: string; secret?: string | null }
/** Something a webhook is told; `event` is null for a test. */
export interface WebhookCall {
  id: string; event: string | null; state: 'queued' | 'delayed' | 'delivered' | 'failed' | 'canceled'; created_at: string; next_attempt_at: string | null;
  attempts: { at: string; status: number | null; detail: string | null }[];
}
/** Whether anything may leave the system. */
export interface Sending { paused: boolean; since: string | null; reason: string | null }
/** An account, as an administrator sees it. */
export interface Account { id: string; address: string; name: string; kind: string; admin: boolean; created_at: string; disabled_at: string | null }
/** Something owed, of whatever account. */
export interface Owed extends Delivery { account_id: string; kind: string; destination: string }
/** A domain of the server's own, with what its zone needs. */
export interface Domain { name: string; created_at: string; main: boolean; signed: boolean; records: { name: string; type: string; value: string }[] }
/** One thing that the DNS says of a domain. */
export interface DomainCheck { state: 'good' | 'doubtful' | 'bad'; detail: string }
/** Something that was done to accounts, credentials or the server. */
export interface Audited { id: string; at: string; account_id: string | null; actor: string | null; action: string; target: string; peer: string | null }
/** An address that mail is no longer sent to. */
export interface Suppression { id: string; address?: string; reason?: string | null }

/** What can be changed of a message. */
export interface MessageChange {
  seen?: boolean; flagged?: boolean; mailbox?: string; add_keywords?: string[]; remove_keywords?: string[]; snoozed_until?: string | null; muted?: boolean;
}
/** What is handed over to be sent. */
export interface Outgoing {
  to: Address[]; cc: Address[]; bcc: Address[]; subject: string; text: string; in_reply_to?: string;
  attachments: { upload_id: string; filename: string; content_type: string }[]; undo?: string; send_at?: string; markdown?: string;
}
/** The answer to sending. */
export interface Accepted {
  id: string; thread_id: string; message_id: string; state: 'accepted' | 'scheduled' | 'held' | 'canceled'; undo_until: string | null;
}
/** A file that waits to be sent. */
export interface Upload { upload_id: string; size: number; sha256: string; content_type: string }
