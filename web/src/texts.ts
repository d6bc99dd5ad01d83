// Every sentence of the first page, in one typed object, so that another language is another object of the same type (texts/de.ts).
// Sentence case; what happened and what comes next; the actor by name; exact times; no exclamation marks.

import { count, listed, localized } from './texts/language.ts';

/** `Ana`, `Ana and Bo`, `Ana, Bo and 2 more`. */
export function join(names: readonly string[], most = 3): string {
  if (names.length === 0) return texts.nobodyInList;
  return listed(names.length > most ? [...names.slice(0, most - 1), texts.furtherInList(names.length - most + 1)] : names);
}

export const texts = localized('core', {
  product: 'Restante',
  you: 'You', youInList: 'you', nobodyInList: 'nobody', furtherInList: (n: number) => `${n} more`, nobody: '(no sender)', noSubject: '(no subject)',
  unnamed: 'unnamed file', close: 'Close', cancel: 'Cancel', undo: 'Undo', tryAgain: 'Try again', save: 'Save', remove: 'Remove',

  nav: {
    label: 'Mailboxes', inbox: 'Inbox', asked: 'Waiting on you', asker: 'Waiting on others', drafts: 'Drafts', scheduled: 'Scheduled', sent: 'Sent',
    archive: 'Archive', junk: 'Junk', trash: 'Trash', snoozed: 'Snoozed', folders: 'Folders', settings: 'Settings', admin: 'Administration', menu: 'Open menu', write: 'Write',
    back: 'Back to the list', signOut: 'Sign out', skip: 'Skip to the messages',
    unread: (n: number) => count(n, 'unread message'), waiting: (n: number) => `${count(n, 'question')} waiting`,
  },
  sync: {
    live: 'Up to date', checked: (time: string) => `Checked ${time}`, connecting: 'Connecting', catchingUp: 'Catching up',
    offline: 'Offline', retryIn: (seconds: number) => `Trying again in ${seconds} s`, retryNow: 'Trying again',
  },
  list: {
    label: 'Messages', all: 'All', unread: 'Unread', starred: 'Starred', filter: 'Search messages',
    filterHint: 'Search, or try from:ines has:file', clearFilter: 'Clear the search', select: 'Select messages', stopSelecting: 'Stop selecting',
    selected: (n: number) => `${n} selected`, everything: 'All selected', selectEverything: 'Select everything, also what is not loaded', to: (names: string) => `To: ${names}`,
    noneAnswered: (open: string) => `Not answered yet: ${open}`, allAnswered: (done: string) => `Answered by ${done}`, someAnswered: (done: string, open: string) => `Answered by ${done}, not yet by ${open}`,
    hasAttachment: 'Has attachment', starredRow: 'Starred', more: 'Loading more messages', end: 'That is all', loading: 'Loading messages',
    notified: (who: string) => `${who} is waiting for your answer`, arrived: (n: number) => `${count(n, 'new message')} arrived`, resize: 'Width of the list',
    unreadRow: 'Unread', countRow: (n: number) => count(n, 'message'),
  },
  groups: {
    waiting: 'Waiting on you', woken: 'Back from snooze', deadline: 'The next deadline first', today: 'Today', yesterday: 'Yesterday', week: 'Earlier this week', lastWeek: 'Last week',
  },
  pills: {
    by: (time: string) => `Answer by ${time}`, noDeadline: 'No deadline', late: 'Too late', delayed: 'Delayed', failed: 'Not delivered',
    held: 'Held', waiting: 'Waiting', scheduled: 'Scheduled', draft: 'Draft', snoozed: (time: string) => `Until ${time}`,
  },
  empty: {
    inbox: ['Nothing here', 'New messages show up by themselves, from people and from services.'],
    asked: ['Nobody is waiting on you', 'Questions from people and services show up here, with the time they need an answer by.'],
    asker: ['You are waiting for nobody', 'Questions you asked stay here until they are answered.'],
    unread: ['Everything is read', 'Unread messages show up here.'],
    starred: ['Nothing starred', 'Press s on a message to keep it at hand.'],
    sent: ['Nothing sent yet', 'What you send is listed here, with how far each copy has come.'],
    trash: ['The trash is empty', 'Deleted messages stay here until you delete them for good.'],
    drafts: ['No drafts', 'What you write is kept here until you send it.'],
    snoozed: ['Nothing snoozed', 'Press h on a message to have it back at a time that suits you.'],
    scheduled: ['Nothing scheduled', 'Messages to be sent later wait here.'],
    filter: ['No message matches', 'from:, to:, subject:, label:, before:2026-01-31, is:unread and has:file narrow a search; a - before one turns it round.'],
    other: ['Nothing here', 'Messages moved to this mailbox are listed here.'],
    thread: ['No message open', 'Choose one from the list, or press c to write.'],
  } as Record<string, readonly [string, string]>,
  actions: {
    label: 'Actions', archive: 'Archive', delete: 'Delete', deleteForever: 'Delete for good', read: 'Mark as read', unread: 'Mark as unread', star: 'Star', unstar: 'Remove star',
    move: 'Move to', snooze: 'Snooze', label_: 'Label', reply: 'Reply', replyAll: 'Reply to all', forward: 'Forward', keys: 'Keys',
    snoozed: (what: string, time: string) => `Snoozed ${what} until ${time}`, labelled: (what: string, label: string) => `Labelled ${what} ${label}`, unlabelled: (what: string, label: string) => `Took the label ${label} from ${what}`, junk: 'Junk', mute: 'Mute', unmute: 'Unmute', muted: (what: string) => `Muted ${what}`, unmuted: (what: string) => `Unmuted ${what}`, toInbox: 'Move to inbox', previous: 'Previous', next: 'Next', clear: 'Clear the selection',
    position: (at: number, of: number, more: boolean) => `${at} of ${of}${more ? '+' : ''}`,
    archived: (what: string) => `Archived ${what}`, deleted: (what: string) => `Moved ${what} to the trash`, destroyed: (what: string) => `Deleted ${what} for good`,
    moved: (what: string, where: string) => `Moved ${what} to ${where}`, markedRead: (what: string) => `Marked ${what} as read`,
    markedUnread: (what: string) => `Marked ${what} as unread`, starred: (what: string) => `Starred ${what}`, unstarred: (what: string) => `Removed the star from ${what}`,
    all: (n: number | null) => (n === null ? 'everything found' : `all ${n} messages`), one: (subject: string) => `“${subject}”`, many: (n: number) => count(n, 'thread'), undone: 'Undone',
    failed: (detail: string) => `Not changed. ${detail}`, nothing: 'There is nothing to change here.',
    destroyTitle: 'Delete for good?', destroyText: (what: string) => `${what} cannot be brought back after this.`,
  },
  search: { terms: 'What is looked for', only: (box: string) => `Only in ${box}`, remove: (term: string) => `Remove ${term}`, add: (term: string) => `Add ${term}`, labels: 'Labels' },
  outbox: {
    waiting: (n: number) => `${count(n, 'change')} waiting`, sending: (n: number) => `Sending ${count(n, 'change')}`, refusedCount: (n: number) => `${count(n, 'change')} not made`,
    refused: (op: { title: string; failed: { code: string; detail: string } | null }) =>
      (op.failed?.code === 'changed_elsewhere' ? `${op.title} was changed elsewhere meanwhile. That was kept.` : `Not changed: ${op.title}. ${op.failed?.detail ?? ''}`),
    open: 'Show what waits', queued: 'Goes out when the connection is back', offline: 'Offline. What was read before is still here.',
  },
  sent: {
    later: (time: string) => `Goes out ${time}`, to: (names: string) => `Sent to ${names}`, takenBack: 'Taken back. The draft is open again.', tooLate: 'It has already been sent.', wrote: (when: string, who: string) => `On ${when}, ${who} wrote:`,
  },
  error: {
    offline: 'The server could not be reached.', stopped: 'The upload was stopped.', answered: (status: number) => `The server answered ${status}.`, unexpected: 'Something went wrong in this page. Reload it to go on.', reload: 'Reload', notFound: ['There is no such page', 'The address may be mistyped.'] as readonly [string, string], list: (detail: string) => `The list could not be loaded. ${detail}`,
  },
  /** What the server's problems mean, by their codes; those without a sentence here say their own. */
  problems: {} as Record<string, string>,
  time: {
    tomorrow: (clock: string) => `tomorrow ${clock}`, yesterday: (clock: string) => `yesterday ${clock}`, at: (clock: string) => ` at ${clock}`, other: (moment: string) => `, ${moment}`,
    over: 'over', left: (span: string) => `in ${span}`, days: (n: number) => count(n, 'day'), seconds: (n: number) => `${n} s`, minutes: (n: number) => `${n} min`, hours: (n: number) => `${n} h`,
  },
});
