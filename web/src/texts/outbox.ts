// What the outbox says.
import { localized } from './language.ts';

/** The sentences of this part. */
export const outbox = localized('outbox', {
  title: 'Changes to be sent', waiting: 'Waiting', refused: 'Not made', none: 'Nothing waits.', soon: 'They are being sent.', open: 'Open the draft', dismiss: 'Dismiss', dismissThat: (what: string) => `Dismiss ${what}`,
  takeBack: 'Take back', takeBackThat: (what: string) => `Take back ${what}`,
  what: { change: 'Change', query: 'Change', destroy: 'Delete', send: 'Send', answer: 'Answer' },
});
