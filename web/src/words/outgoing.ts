// A draft as it is handed over to be sent.
import type { Draft } from '../state/drafts.svelte.ts';
import type { Outgoing } from '../wire/types.ts';

/** The body of a send, as a draft has it. */
export function outgoing(draft: Draft, undo: number): Outgoing {
  const text = draft.quote === null || draft.kind !== 'reply' ? draft.text : `${draft.text.trimEnd()}\n\n${draft.quote}\n`;
  return {
    to: draft.to.map(({ name, address }) => ({ name, address })), cc: draft.cc.map(({ name, address }) => ({ name, address })), bcc: draft.bcc.map(({ name, address }) => ({ name, address })),
    subject: draft.subject, text,
    attachments: draft.files.filter((file) => file.upload !== null).map((file) => ({ upload_id: file.upload as string, filename: file.name, content_type: file.type })),
    ...(draft.later !== undefined && draft.later !== null ? { send_at: new Date(draft.later).toISOString() } : undo > 0 ? { undo: `PT${undo}S` } : {}),
    ...(draft.kind === 'reply' && draft.source !== null ? { in_reply_to: draft.source } : {}),
  };
}

/** The key to send a body with: the one of the last try if nothing has changed since. */
export function attemptFor(draft: Pick<Draft, 'attempt'>, body: string, fresh: () => string): { key: string; body: string } {
  return draft.attempt !== null && draft.attempt.body === body ? draft.attempt : { key: fresh(), body };
}
