// What the menus say.
import { localized } from './language.ts';

/** The sentences of this part. */
export const menuTexts = localized('menus', {
  move: 'Move to', snooze: 'Snooze until', later: 'Send later', labels: 'Labels', newLabel: 'New label', addLabel: 'Add', labelHint: 'Letters, digits, - and _, no spaces.', pick: 'Another time', set: 'Set',
  past: 'This time is over. Choose a later one.',
  when: { today: 'Later today', evening: 'This evening', tomorrow: 'Tomorrow morning', monday: 'Monday morning', week: 'In a week' },
  palette: { title: 'Commands', hint: 'Type a command or a mailbox', none: 'No command matches', go: (where: string) => `Go to ${where}`, moveTo: (where: string) => `Move to ${where}` },
});
