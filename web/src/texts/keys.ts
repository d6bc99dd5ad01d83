// The sheet of keys.
import { localized } from './language.ts';

/** The sentences of this part. */
export const keySheet = localized('keys', {
  title: 'Keys', off: 'Single-key shortcuts are switched off in the settings.',
  groups: [
    ['Move', [['j k', 'Next, previous'], ['Enter', 'Open'], ['u', 'Back to the list'], ['g i', 'Inbox'], ['g q', 'Waiting on you'], ['g w', 'Waiting on others'], ['g s', 'Snoozed'], ['g t', 'Sent'], ['g d', 'Drafts'], ['g a', 'Archive'], ['/', 'Search']]],
    ['Act', [['e', 'Archive'], ['#', 'Delete'], ['s', 'Star'], ['v', 'Move to'], ['h', 'Snooze'], ['l', 'Label'], ['!', 'Junk'], ['m', 'Mute'], ['Shift+I', 'Mark as read'], ['Shift+U', 'Mark as unread'], ['x', 'Select'], ['Shift+J Shift+K', 'Select while moving'], ['Ctrl+A', 'Select everything, twice for what is not loaded'], ['z', 'Undo']]],
    ['Write', [['c', 'New message'], ['r', 'Reply'], ['a', 'Reply to all'], ['f', 'Forward'], ['Ctrl+Enter', 'Send']]],
    ['Answer', [['y', 'First answer of the question'], ['n', 'Second answer, if there are two'], ['1 to 9', 'That answer, if there are more']]],
    ['Help', [['Ctrl+K', 'Any command by its name'], ['?', 'These keys']]],
  ] as readonly (readonly [string, readonly (readonly [string, string])[]])[],
});
