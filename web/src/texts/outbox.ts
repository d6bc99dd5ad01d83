// What the outbox says.
/** The sentences of this part. */
export const outbox = {
  title: 'Changes to be sent', waiting: 'Waiting', refused: 'Not made', none: 'Nothing waits.', soon: 'They are being sent.', open: 'Open the draft', dismiss: 'Dismiss', dismissThat: (what: string) => `Dismiss ${what}`,
  takeBack: 'Take back', takeBackThat: (what: string) => `Take back ${what}`,
  what: { change: 'Change', query: 'Change', destroy: 'Delete', send: 'Send', answer: 'Answer' },
};
