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
  act: { retry: 'Try now', hold: 'Hold', release: 'Release', cancel: 'Take back' }, actThat: (what: string, who: string) => `${what}: ${who}`, acted: { retry: 'It is tried now.', hold: 'It waits until it is released.', release: 'It is tried again.', cancel: 'It is taken back.' }, notActed: 'It has ended meanwhile, or is being tried just now.',
  cancelTitle: 'Take this back?', cancelText: (who: string) => `What was meant for ${who} is not sent any more. Its sender is told.`,
  domains: 'Domains', domainsHint: 'Mail to addresses of these domains is for accounts here.', mainDomain: 'main', signed: 'signed', unsigned: 'not signed', domainName: 'Domain', addDomain: 'Add the domain', domainAdded: (name: string) => `${name} is one of ours now. Put its records into the DNS.`, makeKey: 'Make a key', makeKeyThat: (name: string) => `Make a key for ${name}`,
  records: 'DNS records', recordsThat: (name: string) => `DNS records of ${name}`, check: 'Check', checkThat: (name: string) => `Check ${name}`, checking: 'Looking it up', checkState: { good: 'Good', doubtful: 'Doubtful', bad: 'Missing' },
  audit: 'Audit log', auditHint: 'Who did what to accounts, credentials and this server. Kept for 400 days.', auditAll: 'Everything', auditOnly: 'Show', noAudit: 'Nothing was done yet.', commandLine: 'At the command line', nobodyKnown: 'Somebody', from: (peer: string) => `from ${peer}`,
  did: {
    'session.created': 'Signed in', 'session.refused': 'Wrong password', 'session.revoked': 'Ended a session', 'password.changed': 'Changed the password', 'token.created': 'Made a token', 'token.revoked': 'Revoked a token', 'account.created': 'Made an account',
    'domain.added': 'Added a domain', 'key.forgotten': 'Removed a key', 'suppression.created': 'Suppressed an address', 'suppression.changed': 'Changed a suppression', 'suppression.removed': 'Lifted a suppression',
    'queue.retry': 'Had something tried', 'queue.hold': 'Held something back', 'queue.release': 'Released something', 'queue.cancel': 'Took something back', 'sending.paused': 'Paused sending', 'sending.resumed': 'Let mail go out again',
  } as Record<string, string>,
});
