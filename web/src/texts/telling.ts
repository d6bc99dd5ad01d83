// What the settings say of being told: hours, the reply while away, and what is muted.
import { localized } from './language.ts';

/** The sentences of this part. */
export const telling = localized('telling', {
  hours: 'When', hoursOf: (address: string) => `When ${address} is told`, when: { immediately: 'At once', digest: 'Together, at fixed times' }, times: 'Times', time: (n: number) => `Time ${n}`, addTime: 'Add a time', removeTime: (time: string) => `Remove ${time}`,
  quiet: 'Nothing is sent at night', quietFrom: 'From', quietUntil: 'Until', zone: 'Time zone', next: (time: string) => `What comes now is told ${time}`, atOnce: 'What comes now is told at once', save: 'Save the times', saved: (address: string) => `Saved for ${address}.`,
  paused: 'Paused', pause: 'Pause', resume: 'Go on', pauseThat: (address: string) => `Pause ${address}`, resumeThat: (address: string) => `Go on with ${address}`,
  vacation: 'Away', vacationHint: 'Whoever writes is answered once a week with this. Lists and programs are not.', vacationOn: 'Senders are answered.', vacationFrom: (time: string) => `Senders are answered from ${time} on.`, vacationOver: 'This time is over: nobody is answered.',
  subject: 'Subject', subjectHint: 'As of the message that is answered, where this is empty', text: 'Text', from: 'From', until: 'Until', start: 'Answer for me', change: 'Save the changes', end: 'Stop answering', order: 'The end is before the beginning.',
  mutes: 'Muted', mutesHint: 'Messages from here are filed, but nothing is forwarded or told of them.', noMutes: 'Nothing is muted.', conversation: 'A conversation', sender: 'Sender', muteSender: 'Mute this sender', unmute: 'End', unmuteThat: (what: string) => `End muting ${what}`, more: 'Show more',
});
