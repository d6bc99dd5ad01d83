// Every sentence the inbox says, in one typed object, so that another language is another object of the same type.
// Sentence case; what happened and what comes next; the actor by name; exact times; no exclamation marks.

/** `1 file`, `2 files`. */
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
/** `Ana`, `Ana and Bo`, `Ana, Bo and 2 more`. */
export function join(names: readonly string[], most = 3): string {
  if (names.length === 0) return 'nobody';
  if (names.length === 1) return names[0] as string;
  if (names.length > most) return `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`;
  return `${names.slice(0, -1).join(', ')} and ${names[names.length - 1] as string}`;
}

export const texts = {
  product: 'Restante',
  you: 'You', youInList: 'you', nobody: '(no sender)', noSubject: '(no subject)',
  close: 'Close', cancel: 'Cancel', undo: 'Undo', tryAgain: 'Try again', save: 'Save', remove: 'Remove',

  nav: {
    label: 'Mailboxes', inbox: 'Inbox', asked: 'Waiting on you', asker: 'Waiting on others', drafts: 'Drafts', scheduled: 'Scheduled', sent: 'Sent',
    archive: 'Archive', junk: 'Junk', trash: 'Trash', snoozed: 'Snoozed', folders: 'Folders', settings: 'Settings', menu: 'Open menu', write: 'Write',
    back: 'Back to the list', signOut: 'Sign out', skip: 'Skip to the messages',
    unread: (n: number) => count(n, 'unread message'), waiting: (n: number) => `${count(n, 'question')} waiting`,
  },
  sync: {
    live: 'Up to date', checked: (time: string) => `Checked ${time}`, connecting: 'Connecting', catchingUp: 'Catching up',
    offline: 'Offline', retryIn: (seconds: number) => `Trying again in ${seconds} s`, retryNow: 'Trying again',
  },
  list: {
    label: 'Messages', all: 'All', unread: 'Unread', starred: 'Starred', filter: 'Filter messages',
    filterHint: 'Filter, or try from:ines is:unread', clearFilter: 'Clear the filter', select: 'Select messages', stopSelecting: 'Stop selecting',
    selected: (n: number) => `${n} selected`, to: (names: string) => `To: ${names}`,
    hasAttachment: 'Has attachment', starredRow: 'Starred', more: 'Loading more messages', end: 'That is all', loading: 'Loading messages',
    arrived: (n: number) => `${count(n, 'new message')} arrived`, resize: 'Width of the list',
    unreadRow: 'Unread', countRow: (n: number) => count(n, 'message'),
  },
  groups: {
    waiting: 'Waiting on you', today: 'Today', yesterday: 'Yesterday', week: 'Earlier this week', lastWeek: 'Last week',
  },
  pills: {
    by: (time: string) => `Answer by ${time}`, noDeadline: 'No deadline', late: 'Too late', delayed: 'Delayed', failed: 'Not delivered',
    held: 'Held', waiting: 'Waiting', scheduled: 'Scheduled', draft: 'Draft',
  },
  empty: {
    inbox: ['Nothing here', 'New messages show up by themselves, from people and from services.'],
    asked: ['Nobody is waiting on you', 'Questions from people and services show up here, with the time they need an answer by.'],
    asker: ['You are waiting for nobody', 'Questions you asked stay here until they are answered.'],
    unread: ['Everything is read', 'Unread messages show up here.'],
    starred: ['Nothing starred', 'Press s on a message to keep it at hand.'],
    sent: ['Nothing sent yet', 'What you send is listed here, with how far each copy has come.'],
    trash: ['The trash is empty', 'Deleted messages stay here until you delete them for good.'],
    drafts: ['No drafts', 'What you write is kept on this device until you send it.'],
    filter: ['No message matches', 'Words are looked for in subjects. from:, to:, is:unread, is:starred and has:file narrow it further.'],
    other: ['Nothing here', 'Messages moved to this mailbox are listed here.'],
    thread: ['No message open', 'Choose one from the list, or press c to write.'],
  } as Record<string, readonly [string, string]>,
  actions: {
    label: 'Actions', archive: 'Archive', delete: 'Delete', deleteForever: 'Delete for good', read: 'Mark as read', unread: 'Mark as unread', star: 'Star', unstar: 'Remove star',
    move: 'Move to', junk: 'Junk', toInbox: 'Move to inbox', previous: 'Previous', next: 'Next', clear: 'Clear the selection',
    position: (at: number, of: number, more: boolean) => `${at} of ${of}${more ? '+' : ''}`,
    archived: (what: string) => `Archived ${what}`, deleted: (what: string) => `Moved ${what} to the trash`, destroyed: (what: string) => `Deleted ${what} for good`,
    moved: (what: string, where: string) => `Moved ${what} to ${where}`, markedRead: (what: string) => `Marked ${what} as read`,
    markedUnread: (what: string) => `Marked ${what} as unread`, starred: (what: string) => `Starred ${what}`, unstarred: (what: string) => `Removed the star from ${what}`,
    one: (subject: string) => `“${subject}”`, many: (n: number) => count(n, 'thread'), undone: 'Undone',
    failed: (detail: string) => `Not changed. ${detail}`, nothing: 'There is nothing to change here.',
    destroyTitle: 'Delete for good?', destroyText: (what: string) => `${what} cannot be brought back after this.`,
  },
  thread: {
    label: 'Conversation', messages: (n: number, names: string) => `${count(n, 'message')}, with ${names}`, from: (who: string, when: string) => `Message from ${who}, ${when}`,
    to: (names: string) => `to ${names}`, replyTo: (names: string) => `Reply to ${names}`, reply: 'Reply', replyAll: 'Reply to all', forward: 'Forward',
    quoted: 'Show quoted text', hideQuoted: 'Hide quoted text', attachments: 'Attachments', download: (name: string) => `Download ${name}`, unnamed: 'unnamed file',
    pictures: 'Pictures from other servers are hidden.', plain: 'Show as plain text', designed: 'Show as designed', frame: (who: string) => `Message from ${who}`,
    loading: 'Loading the conversation', gone: 'This conversation is not here any more.', failed: (detail: string) => `Could not be loaded. ${detail}`,
    empty: 'This message has no text.', details: 'Details', raw: 'Download the original', cc: (names: string) => `copy to ${names}`, expand: 'Show all',
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
    unsupported: 'This kind of question cannot be answered here. Reply to the message instead.', answersLabel: 'Answers', options: 'Answers to choose from',
    withdrawTitle: 'Withdraw the question?', withdrawText: 'Nobody can answer it after this.',
  },
  delivery: {
    queued: 'Queued', sending: 'On its way', held: 'Held for a moment, can be undone', scheduled: (time: string) => `Goes out ${time}`, canceled: 'Not sent, taken back',
    delivered: 'Delivered', deliveredBoth: 'Delivered to both', deliveredAll: (n: number) => `Delivered to all ${n}`, some: (n: number, of: number) => `Delivered to ${n} of ${of}`,
    delayed: (tries: number) => (tries > 0 ? `Delayed, ${count(tries, 'try', 'tries')} so far` : 'Delayed'), failed: 'Could not be delivered', someFailed: (n: number, of: number) => `Could not be delivered to ${n} of ${of}`,
    next: (time: string) => `next try ${time}`, last: (time: string) => `last one ${time}`, at: (time: string) => `at ${time}`, tryNow: 'Try now', trying: 'Trying', elsewhere: 'Send to another address', local: 'in a mailbox here', relayed: 'by email',
    loading: 'Loading what happened', tryFailed: (detail: string) => `Not tried. ${detail}`, label: (text: string) => `Delivery: ${text}`,
    state: { scheduled: 'Scheduled', held: 'Held', queued: 'Queued', sending: 'Sending', delayed: 'Delayed', delivered: 'Delivered', relayed: 'Delivered', failed: 'Failed', canceled: 'Canceled' },
  },
  compose: {
    title: 'New message', reply: 'Reply', forward: 'Forward', to: 'To', cc: 'Cc', bcc: 'Bcc', addCc: 'Cc', addBcc: 'Bcc', subject: 'Subject', body: 'Message', bodyPlaceholder: 'Write your message',
    send: 'Send', sending: 'Sending', attach: 'Attach files', discard: 'Discard', close: 'Close, the draft is kept', minimise: 'Keep as draft', dropHere: 'Drop files to attach them', removeChip: (what: string) => `Remove ${what}`,
    quote: 'Quoted message is included', dropQuote: 'Leave it out', forwarded: (subject: string) => `The original message “${subject}” goes along.`, recipients: 'Add at least one recipient.', badAddress: (text: string) => `“${text}” is no complete address.`,
    kept: 'The draft is kept.', notSent: (detail: string) => `Not sent. ${detail} The draft is kept.`, uploading: 'A file is still on its way. Wait for it, or remove it.', uploadFailed: (name: string, detail: string) => `${name} was not attached. ${detail}`,
    tooBig: (name: string, size: string, limit: string) => `${name} is ${size}, the limit is ${limit}.`, sent: (names: string) => `Sent to ${names}`, sentPlain: 'Sent', takenBack: 'Taken back. The draft is open again.', tooLate: 'It has already been sent.', saved: 'Draft kept on this device', progress: (name: string) => `Uploading ${name}`,
    forgotten: 'You write of an attachment, but there is none. Send anyway?', sendAnyway: 'Send anyway', wrote: (when: string, who: string) => `On ${when}, ${who} wrote:`, discarded: 'Discarded the draft', noSubjectYet: 'New message', fileRemove: (name: string) => `Remove ${name}`,
  },
  signIn: {
    title: 'Sign in', lead: 'Mail that waits for you, and answers that others wait for.', address: 'Address', password: 'Password', submit: 'Sign in', busy: 'Signing in', wrong: 'This address and password do not belong together. Check both.',
    throttled: (seconds: number | null) => `Too many tries. Try again ${seconds === null ? 'later' : `in ${count(seconds, 'second')}`}.`, ended: 'Your session has ended. Sign in to go on.',
  },
  setup: {
    title: 'Set up Restante', lead: 'This creates the first account. It may read and send mail, and look after the others.', name: 'Your name', address: 'Address', addressHint: 'What others write to, for instance ana@example.org.', password: 'Password',
    passwordHint: 'At least 12 characters. A few unusual words are best.', short: 'The password needs at least 12 characters.', submit: 'Create the account', busy: 'Creating', invalid: ['This link is no longer valid', 'A set-up link works once. If nobody has an account yet, restart the server: it prints a new one.'], checking: 'Checking the link', show: 'Show the password',
  },
  confirm: {
    title: 'Confirm an address', text: (address: string) => `Mail for this account will also be sent to ${address}.`, submit: 'Confirm', done: ['Confirmed', 'New mail will also be sent to this address from now on.'], invalid: ['This link is no longer valid', 'Ask for a new one under Settings, Forwarding.'],
    go: 'Go to the inbox',
  },
  settings: {
    title: 'Settings', profile: 'Account', name: 'Name', addresses: 'Addresses', appearance: 'Appearance', theme: 'Theme', themes: { system: 'As the device', light: 'Light', dark: 'Dark' }, density: 'Rows', densities: { roomy: 'Roomy', cosy: 'Cosy', compact: 'Compact' },
    keys: 'Single-key shortcuts', keysHint: 'Letters such as e or r act at once. Arrows, Enter and Ctrl+Enter work either way.', undo: 'Time to take back what you sent', undoChoice: (seconds: number) => (seconds === 0 ? 'None' : count(seconds, 'second')),
    forwarding: 'Forwarding', forwardingHint: 'What arrives here is also sent to these addresses, once they are confirmed.', forwardingNone: 'Nothing is forwarded.', addAddress: 'Address', add: 'Add', content: 'What is sent', contents: { full: 'The whole message', notice: 'A short notice' },
    verified: 'Confirmed', unverified: 'Waiting for confirmation', resend: 'Send the link again', resent: (address: string) => `A new link is on its way to ${address}.`, mailSent: (address: string) => `A link is on its way to ${address}. Open it to confirm.`, removeAddress: (address: string) => `Remove ${address}`,
    password: 'Password', currentPassword: 'Current password', newPassword: 'New password', changePassword: 'Change the password', passwordChanged: 'The password is changed. Every other browser was signed out.', wrongPassword: 'The current password is not right.',
    sessions: 'Signed-in browsers', thisBrowser: 'This browser', lastSeen: (time: string) => `last seen ${time}`, since: (time: string) => `since ${time}`, revoke: 'Sign out', revokeThat: (what: string) => `Sign out ${what}`, unknownBrowser: 'Unknown program',
    tokens: 'API tokens', tokensHint: 'For programs that send or read mail for you. A token is shown once.', tokenName: 'Name', tokenScopes: 'May do', tokenAll: 'Everything this account may', tokenExpires: 'Ends', tokenNever: 'Never', tokenDays: (n: number) => `In ${n} days`, createToken: 'Create a token', tokenMade: (name: string) => `The token “${name}”. Copy it now, it is not shown again.`, copy: 'Copy', copied: 'Copied', revokeToken: (name: string) => `Revoke ${name}`, noTokens: 'No tokens.',
    expires: (time: string) => `ends ${time}`, revokeTokenTitle: 'Revoke this token?', revokeTokenText: (name: string) => `Programs that use “${name}” stop working at once.`, revokeAction: 'Revoke',
    scopes: { 'messages:send': 'Send messages', 'messages:read': 'Read messages', 'messages:write': 'Change messages', 'promises:answer': 'Answer questions', 'account:manage': 'Manage the account', admin: 'Administer' } as Record<string, string>,
    failed: (detail: string) => `Not saved. ${detail}`, loadFailed: (detail: string) => `Could not be loaded. ${detail}`,
  },
  keys: {
    title: 'Keys', off: 'Single-key shortcuts are switched off in the settings.',
    groups: [
      ['Move', [['j k', 'Next, previous'], ['Enter', 'Open'], ['u', 'Back to the list'], ['g i', 'Inbox'], ['g q', 'Waiting on you'], ['g w', 'Waiting on others'], ['g t', 'Sent'], ['g d', 'Drafts'], ['g a', 'Archive'], ['/', 'Filter']]],
      ['Act', [['e', 'Archive'], ['#', 'Delete'], ['s', 'Star'], ['v', 'Move to'], ['!', 'Junk'], ['Shift+I', 'Mark as read'], ['Shift+U', 'Mark as unread'], ['x', 'Select'], ['Shift+J Shift+K', 'Select while moving'], ['Ctrl+A', 'Select everything loaded'], ['z', 'Undo']]],
      ['Write', [['c', 'New message'], ['r', 'Reply'], ['a', 'Reply to all'], ['f', 'Forward'], ['Ctrl+Enter', 'Send']]],
      ['Answer', [['y', 'First answer of the question'], ['n', 'Second answer, if there are two'], ['1 to 9', 'That answer, if there are more']]],
      ['Help', [['?', 'These keys']]],
    ] as readonly (readonly [string, readonly (readonly [string, string])[]])[],
  },
  error: {
    offline: 'The server could not be reached.', unexpected: 'Something went wrong in this page. Reload it to go on.', reload: 'Reload', notFound: ['There is no such page', 'The address may be mistyped.'] as const, list: (detail: string) => `The list could not be loaded. ${detail}`,
  },
};
