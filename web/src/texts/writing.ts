// What the composer says.
import { localized } from './language.ts';

/** The sentences of this part. */
export const writing = localized('writing', {
  later: 'Schedule',
  title: 'New message', reply: 'Reply', forward: 'Forward', to: 'To', cc: 'Cc', bcc: 'Bcc', addCc: 'Cc', addBcc: 'Bcc', subject: 'Subject', body: 'Message', bodyPlaceholder: 'Write your message',
  send: 'Send', sending: 'Sending', attach: 'Attach files', discard: 'Discard', close: 'Close, the draft is kept', minimise: 'Keep as draft', dropHere: 'Drop files to attach them', removeChip: (what: string) => `Remove ${what}`,
  quote: 'Quoted message is included', dropQuote: 'Leave it out', forwarded: (subject: string) => `The original message “${subject}” goes along.`, recipients: 'Add at least one recipient.', badAddress: (text: string) => `“${text}” is no complete address.`,
  kept: 'The draft is kept.', notSent: (detail: string) => `Not sent. ${detail} The draft is kept.`, uploading: 'A file is still on its way. Wait for it, or remove it.', uploadFailed: (name: string, detail: string) => `${name} was not attached. ${detail}`,
  tooBig: (name: string, size: string, limit: string) => `${name} is ${size}, the limit is ${limit}.`, sentPlain: 'Sent', saved: 'Draft kept on this device', progress: (name: string) => `Uploading ${name}`,
  forgotten: 'You write of an attachment, but there is none. Send anyway?', sendAnyway: 'Send anyway', discarded: 'Discarded the draft', noSubjectYet: 'New message', uploadWaits: 'Goes on when the connection is back', uploadAgain: (name: string) => `Try again: ${name}`, fileRemove: (name: string) => `Remove ${name}`,
});
