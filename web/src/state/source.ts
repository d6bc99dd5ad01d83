// Reading: from the server, keeping what it says; and from what was kept, when it cannot be reached.
import * as mirror from '../local/mirror.ts';
import { mail } from '../wire/api.ts';
import { Problem } from '../wire/http.ts';
import type { Message, ThreadDetail } from '../wire/types.ts';
import { boxes } from './boxes.svelte.ts';

const asked = new Map<string, Promise<ThreadDetail>>();

export const source = {
  /** A conversation from the server; asked for once by however many want it now. */
  thread(id: string): Promise<ThreadDetail> {
    const under = asked.get(id);
    if (under !== undefined) return under;
    const answer = mail.thread(id).then(
      (detail) => { void mirror.putThread(detail, boxes.all); return detail; },
      (error: unknown) => { if (error instanceof Problem && error.status === 404) void mirror.forget(id, boxes.all); throw error; },
    );
    asked.set(id, answer);
    setTimeout(() => asked.delete(id)); // a later caller wants what is true later
    return answer;
  },
  /** A whole message from the server. */
  async message(id: string): Promise<Message> {
    const whole = await mail.message(id);
    void mirror.putMessage(whole);
    return whole;
  },
};
