// What an open conversation says.
import { count, localized } from './language.ts';

const ordinals = ['', 'first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'];
const nth = (n: number): string => ordinals[n] ?? `${n}th`;
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The sentences of this part. */
export const reading = localized('reading', {
  thread: {
    label: 'Conversation', messages: (n: number, names: string) => `${count(n, 'message')}, with ${names}`, from: (who: string, when: string) => `Message from ${who}, ${when}`,
    to: (names: string) => `to ${names}`, replyTo: (names: string) => `Reply to ${names}`, reply: 'Reply', replyAll: 'Reply to all', forward: 'Forward',
    quoted: 'Show quoted text', hideQuoted: 'Hide quoted text', attachments: 'Attachments', download: (name: string) => `Download ${name}`, preview: (name: string) => `Look at ${name}`, noPreview: 'This cannot be shown. Download it instead.',
    pictures: 'Pictures from other servers are hidden.', showPictures: 'Show remote pictures', picturesShown: 'Pictures were fetched by your server. Their senders do not learn who or where you are.', plain: 'Show as plain text', designed: 'Show as designed', frame: (who: string) => `Message from ${who}`,
    loading: 'Loading the conversation', gone: 'This conversation is not here any more.', failed: (detail: string) => `Could not be loaded. ${detail}`,
    fromLabel: 'From', date: 'Date', empty: 'This message has no text.', unverified: 'It came to a secret reply address, but it is not certain who wrote it. Whoever was given that address has been asked.', details: 'Details', raw: 'Download the original', cc: (names: string) => `copy to ${names}`, expand: 'Show all',
    verify: (name: string, address: string) => `${name} <${address}>`,
  },
  ask: {
    waiting: (who: string) => `${who} is waiting for your answer`, region: (who: string) => `Question from ${who}`, by: (time: string, left: string) => `by ${time}, ${left}`, noDeadline: 'no deadline',
    note: 'Note', notePlaceholder: 'Add a note (optional)', noteRequired: (option: string) => `Say why: “${option}” needs a note.`, final: 'An answer is final',
    decline: 'Decline to answer', declineWhy: 'Say in the note why you decline.', others: (names: string, some: boolean) => `${names} ${some ? 'were' : 'was'} asked too, the first answer counts.`,
    expiry: (time: string, value: string) => `With no answer by ${time} it counts as “${value}”.`, expires: (time: string) => `With no answer by ${time} the question expires.`,
    sending: (option: string) => `Sending “${option}”`, sent: (doing: string) => `${doing}: done`, youAnswered: (option: string, time: string) => `You answered “${option}”${time}`,
    otherAnswered: (who: string, option: string, time: string) => `${who} answered “${option}”${time}`, youDeclined: 'You declined to answer', declined: 'The question was declined',
    nobody: (time: string) => `Nobody answered by ${time}`, countedAs: (option: string) => `It counted as “${option}”.`, told: (who: string) => `${who} was told. You can still write a reply below.`,
    withdrawn: (who: string, time: string) => `${who} withdrew this question${time}`, youWithdrew: (time: string) => `You withdrew this question${time}`, undeliverable: 'The question could not be delivered',
    late: 'The time for an answer is over', took: 'Took', took_: (span: string) => `${span} from question to answer`, first: (who: string) => `${who} was first. Nothing was sent from you.`,
    notSent: (detail: string) => `Not sent. ${detail}`, youAsked: (names: string) => `Waiting for ${names}`, withdraw: 'Withdraw the question', answeredState: 'answered', declinedState: 'declined', pendingState: 'not yet',
    yes: 'yes', no: 'no', form: 'the form', sendAnswer: 'Send the answer', answerPlaceholder: 'Write your answer', missing: 'This is needed.', number: 'This is no number.', heldTitle: (what: string, seconds: number) => `Sending “${what}” in ${count(seconds, 'second')}`, canUndo: 'You can undo for 10 seconds',
    correction: 'Ask for a correction', correctionWhy: 'Say in the note what must be corrected.', corrected: 'This question was corrected. The newer one counts.', asked: (who: string, what: string) => `${who} asked for a correction: ${what}`, sentCorrection: (who: string) => `${who} is told what must be corrected.`,
    remind: 'Remind', reminded: 'A reminder is on its way.', escalate: 'Escalate now', escalated: 'It was passed on.', delegate: 'Pass on', delegateTo: 'Address to pass it on to', delegated: (to: string) => `Passed on to ${to}.`,
    unsupported: 'This kind of question cannot be answered here. Reply to the message instead.', answersLabel: 'Answers', options: 'Answers to choose from',
    withdrawTitle: 'Withdraw the question?', withdrawText: 'Nobody can answer it after this.',
  },
  delivery: {
    queued: 'Queued', sending: 'On its way', held: 'Held for a moment, can be undone', scheduled: (time: string) => `Goes out ${time}`, canceled: 'Not sent, taken back',
    delivered: 'Delivered', deliveredBoth: 'Delivered to both', deliveredAll: (n: number) => `Delivered to all ${n}`, some: (n: number, of: number) => `Delivered to ${n} of ${of}`,
    delayed: (tries: number) => (tries > 0 ? `Delayed, ${count(tries, 'try', 'tries')} so far` : 'Delayed'), failed: 'Could not be delivered', someFailed: (n: number, of: number) => `Could not be delivered to ${n} of ${of}`,
    next: (time: string) => `next try ${time}`, last: (time: string) => `last one ${time}`, at: (time: string) => `at ${time}`, tryNow: 'Try now', trying: 'Trying', elsewhere: 'Send to another address', local: 'in a mailbox here', relayed: 'by email',
    step: {
      accepted: 'Accepted and stored', putOff: 'Not tried yet: where it goes cannot be reached', delivered: 'Delivered in a mailbox here', relayed: (n: number) => `Handed over on the ${nth(n)} try`, attempt: (n: number, why: string) => `${capital(nth(n))} try: ${why}`,
      failed: (what: string, why: string) => `${what}: ${why}`, canceled: 'Taken back before it was sent', soon: 'Next try, any moment', next: (time: string) => `Next try ${time}`,
    },
    classes: {
      permanent: 'It was refused for good', expired: 'It was given up after the last try', suppressed: 'The address is on the list of those that must not be written to',
      rejected_locally: 'This server does not deliver to the address', other: 'It could not be delivered',
    } as Record<string, string>,
    /** By the subject and detail of an enhanced status code (RFC 3463); `4` and `5` by the reply code alone. */
    meanings: {
      '1.1': 'there is no such address', '1.2': 'there is no such server', '1.10': 'the address takes no mail', '2.1': 'the mailbox is switched off', '2.2': 'the mailbox is full', '2.3': 'the message is too large for it',
      '3.4': 'the message is too large for the server', '4.1': 'the server did not answer', '4.2': 'there was no connection to the server', '4.4': 'no server was found for it', '4.6': 'the message went round in circles', '4.7': 'it took too long',
      '7.1': 'the server does not take it at present', '7.26': 'the sender could not be authenticated', none: 'the server gave no clear answer', 4: 'the server asked us to come back later', 5: 'the server refused it',
    } as Record<string, string>,
    loading: 'Loading what happened', tryFailed: (detail: string) => `Not tried. ${detail}`, label: (text: string) => `Delivery: ${text}`,
    state: { scheduled: 'Scheduled', held: 'Held', queued: 'Queued', sending: 'Sending', delayed: 'Delayed', delivered: 'Delivered', relayed: 'Delivered', failed: 'Failed', canceled: 'Canceled' },
  },
});
