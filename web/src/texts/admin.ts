// What the administration says.
import { count, localized } from './language.ts';

/** The sentences of this part. */
export const adminTexts = localized('admin', {
  title: 'Administration', accounts: 'Accounts', queue: 'Queue', suppressions: 'Suppressions', name: 'Name', address: 'Address', kind: 'Kind', kinds: { person: 'Person', service: 'Service' } as Record<string, string>,
  password: 'Password, for signing in', mayAdmin: 'May administer', create: 'Create the account', created: (address: string) => `${address} has an account now.`, admin: 'administrator', more: 'Show more',
  queueEmpty: 'Nothing is owed to anybody.', queueHint: 'What is still to be delivered, of every account, without its content.', tries: (n: number) => count(n, 'try', 'tries'), next: (time: string) => `next try ${time}`, refresh: 'Look again',
  explain: 'Explain', explainThat: (who: string) => `Explain ${who}`, since: (time: string) => `Waiting since ${time}`, notTried: 'It has not been tried yet.', lastTry: (time: string, why: string) => `The last try was ${time}: ${why}.`, remote: 'Answered by', account: 'Account', answer: 'Answer', kindOf: 'Kind', owed: { mail: 'Message', notice: 'Notice', webhook: 'Webhook', push: 'Push message', timer: 'Timer', task: 'Task' } as Record<string, string>,
  sendingTitle: 'Nothing goes out at present.', sendingRestored: 'A backup was restored: what waits may have been sent before.', sendingAsked: 'Somebody paused it.', sendingHint: 'Mail to outside addresses, notices and webhooks wait; what is delivered here goes on.', pause: 'Pause sending', resume: 'Let mail go out again',
  suppressionsHint: 'Addresses that refused mail for good: nothing is sent to them until they are taken off the list.', noSuppressions: 'No address is suppressed.', lift: 'Take off the list', liftThat: (address: string) => `Take ${address} off the list`,
  failed: (detail: string) => `Not done. ${detail}`,
});
