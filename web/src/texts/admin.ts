// What the administration says.
import { count } from '../texts.ts';

/** The sentences of this part. */
export const adminTexts = {
  title: 'Administration', accounts: 'Accounts', queue: 'Queue', suppressions: 'Suppressions', name: 'Name', address: 'Address', kind: 'Kind', kinds: { person: 'Person', service: 'Service' } as Record<string, string>,
  password: 'Password, for signing in', mayAdmin: 'May administer', create: 'Create the account', created: (address: string) => `${address} has an account now.`, admin: 'administrator', more: 'Show more',
  queueEmpty: 'Nothing is owed to anybody.', queueHint: 'What is still to be delivered, of every account, without its content.', tries: (n: number) => count(n, 'try', 'tries'), next: (time: string) => `next try ${time}`, refresh: 'Look again',
  suppressionsHint: 'Addresses that refused mail for good: nothing is sent to them until they are taken off the list.', noSuppressions: 'No address is suppressed.', lift: 'Take off the list', liftThat: (address: string) => `Take ${address} off the list`,
  failed: (detail: string) => `Not done. ${detail}`,
};
