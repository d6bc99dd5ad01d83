// What is said before anybody is signed in.
import { count, localized } from './language.ts';

/** The sentences of this part. */
export const door = localized('door', {
  signIn: {
    title: 'Sign in', lead: 'Mail that waits for you, and answers that others wait for.', address: 'Address', password: 'Password', submit: 'Sign in', busy: 'Signing in', wrong: 'This address and password do not belong together. Check both.',
    throttled: (seconds: number | null) => `Too many tries. Try again ${seconds === null ? 'later' : `in ${count(seconds, 'second')}`}.`, ended: 'Your session has ended. Sign in to go on.',
  },
  setup: {
    title: 'Set up Restante', lead: 'This creates the first account. It may read and send mail, and look after the others.', name: 'Your name', address: 'Address', addressHint: 'What others write to, for instance ana@example.org.', password: 'Password',
    passwordHint: 'At least 12 characters. A few unusual words are best.', short: 'The password needs at least 12 characters.', submit: 'Create the account', busy: 'Creating', invalid: ['This link is no longer valid', 'A set-up link works once. If nobody has an account yet, restart the server: it prints a new one.'], checking: 'Checking the link', show: 'Show the password',
  },
  confirm: {
    forwarding: { title: 'Confirm an address', text: (address: string) => `Mail for this account will also be sent to ${address}.`, submit: 'Confirm', done: ['Confirmed', 'New mail will also be sent to this address from now on.'] },
    reply: { title: 'Did you write this reply?', text: (address: string) => `It came to an address that only ${address} was given, from somewhere else. If you wrote it, confirm it, and it counts as your reply.`, submit: 'I wrote it', done: ['Confirmed', 'It counts as your reply now.'] },
    invalid: ['This link is no longer valid', 'Ask for a new one under Settings, Forwarding.'],
    go: 'Go to the inbox',
  },
});
