// What the settings say.
import { count, localized } from './language.ts';

/** The sentences of this part. */
export const settings = localized('settings', {
  leaveTitle: 'Sign out and lose what waits?', leaveText: (n: number) => `${count(n, 'change')} could not be sent yet and will be lost.`,
  title: 'Settings', profile: 'Account', name: 'Name', addresses: 'Addresses', appearance: 'Appearance', theme: 'Theme', themes: { system: 'As the device', light: 'Light', dark: 'Dark' }, density: 'Rows', densities: { roomy: 'Roomy', cosy: 'Cosy', compact: 'Compact' },
  language: 'Language', languageOfBrowser: 'As the browser', notify: 'Tell me when somebody waits for my answer', notifyHint: 'With a message of the browser, while no window of it is looked at.', notifyDenied: 'The browser does not let this page send messages. Allow it in the settings of the browser.',
  offer: 'Messages of the browser', offerAsker: 'Shall the browser tell you when an answer comes?', offerAsked: 'Shall the browser tell you when somebody waits for you?', offerYes: 'Tell me', offerNo: 'No, thanks',
  keys: 'Single-key shortcuts', keysHint: 'Letters such as e or r act at once. Arrows, Enter and Ctrl+Enter work either way.', undo: 'Time to take back what you sent', undoChoice: (seconds: number) => (seconds === 0 ? 'None' : count(seconds, 'second')),
  forwarding: 'Forwarding', forwardingHint: 'What arrives here is also sent to these addresses, once they are confirmed.', forwardingNone: 'Nothing is forwarded.', addAddress: 'Address', add: 'Add', content: 'What is sent', contents: { full: 'The whole message', notice: 'A short notice' },
  verified: 'Confirmed', unverified: 'Waiting for confirmation', resend: 'Send the link again', resent: (address: string) => `A new link is on its way to ${address}.`, mailSent: (address: string) => `A link is on its way to ${address}. Open it to confirm.`, removeAddress: (address: string) => `Remove ${address}`,
  password: 'Password', currentPassword: 'Current password', newPassword: 'New password', changePassword: 'Change the password', passwordChanged: 'The password is changed. Every other browser was signed out.', wrongPassword: 'The current password is not right.',
  sessions: 'Signed-in browsers', thisBrowser: 'This browser', lastSeen: (time: string) => `last seen ${time}`, since: (time: string) => `since ${time}`, revoke: 'Sign out', revokeThat: (what: string) => `Sign out ${what}`, unknownBrowser: 'Unknown program',
  tokens: 'API tokens', tokensHint: 'For programs that send or read mail for you. A token is shown once.', tokenName: 'Name', tokenScopes: 'May do', tokenAll: 'Everything this account may', tokenExpires: 'Ends', tokenNever: 'Never', tokenDays: (n: number) => `In ${n} days`, createToken: 'Create a token', tokenMade: (name: string) => `The token “${name}”. Copy it now, it is not shown again.`, copy: 'Copy', copied: 'Copied', revokeToken: (name: string) => `Revoke ${name}`, noTokens: 'No tokens.',
  expires: (time: string) => `ends ${time}`, revokeTokenTitle: 'Revoke this token?', revokeTokenText: (name: string) => `Programs that use “${name}” stop working at once.`, revokeAction: 'Revoke',
  scopes: { 'messages:send': 'Send messages', 'messages:read': 'Read messages', 'messages:write': 'Change messages', 'promises:answer': 'Answer questions', 'account:manage': 'Manage the account', admin: 'Administer' } as Record<string, string>,
  webhooks: 'Webhooks', webhooksHint: 'Programs that are told by HTTP of what happens here. Every call is signed (Standard Webhooks).', noWebhooks: 'No webhooks.', webhooksAbsent: 'This server does not offer webhooks.',
  webhookUrl: 'Address, with https', webhookTypes: 'Told of', webhookAll: 'Everything', addWebhook: 'Add the webhook', webhookSecret: (url: string) => `The secret for ${url}. Copy it now, it is not shown again.`,
  webhookTest: 'Send a test', webhookTestThat: (url: string) => `Send a test to ${url}`, webhookTested: (url: string) => `A test is on its way to ${url}.`, webhookRotate: 'Renew the secret', webhookRotateThat: (url: string) => `Renew the secret for ${url}`,
  webhookCalls: 'Calls', webhookCallsThat: (url: string) => `Calls to ${url}`, noCalls: 'Nothing has been sent yet.', webhookRemoveTitle: 'Remove this webhook?', webhookRemoveText: (url: string) => `${url} is not told of anything any more.`,
  webhookOn: 'Switch on', webhookOnThat: (url: string) => `Switch on ${url}`, webhookOff: 'Switched off', webhookWhy: { gone: 'It answered that it is gone.', failing: 'Every call failed for five days.', user: '' } as Record<string, string>,
  webhookEvents: { 'message.received': 'New messages', 'promise.settled': 'Questions that are settled', 'answer.received': 'Answers', 'delivery.updated': 'Deliveries' } as Record<string, string>,
  callState: { queued: 'Queued', delayed: 'Delayed', delivered: 'Delivered', failed: 'Failed', canceled: 'Canceled' } as Record<string, string>, callTest: 'Test', callEvent: (event: string) => `Event ${event}`,
  callTries: (n: number) => count(n, 'try', 'tries'), callNext: (time: string) => `next try ${time}`, callAgain: 'Send again', callAgainThat: (event: string) => `Send again: ${event}`,
  failed: (detail: string) => `Not saved. ${detail}`, loadFailed: (detail: string) => `Could not be loaded. ${detail}`,
});
