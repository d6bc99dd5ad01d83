/** A subject without the prefixes of answers: what a conversation is called. */
export const baseSubject = (subject: string): string => subject.replace(/^(?:\s*(?:re|aw|sv|antw)\s*:)+\s*/iu, '');
