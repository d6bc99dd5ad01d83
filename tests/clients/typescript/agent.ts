// A program with the TypeScript client: it asks, waits, looks into the inbox and replies, over a network that loses an answer.
//
// URL, TOKEN (its own), PERSON (the token of whom it asks) and TO (their address) are in the environment. It says "answered".
import { Problem, Restante } from './restante.js';

declare const process: { env: Record<string, string>; exit(code: number): never };

const { URL: url = '', TOKEN = '', PERSON = '', TO = '' } = process.env;
const straight = globalThis.fetch;
const lost: (string | null)[] = [];
/** Loses the first answer to a POST of the agent's. */
globalThis.fetch = async (address, options) => {
  const answer = await straight(address, options);
  const headers = new Headers(options?.headers);
  if (options?.method !== 'POST' || lost.length > 0 || !headers.get('authorization')?.endsWith(TOKEN)) return answer;
  await answer.text();
  lost.push(headers.get('idempotency-key'));
  throw new TypeError('the connection is gone');
};

function is<T>(found: T, expected: T): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
}

const bot = new Restante(url, TOKEN);
const ana = new Restante(url, PERSON);
const promise = await bot.ask([TO], 'Deploy 4821?', { options: ['approve', 'reject'], details: 'All green.', context: { build: 4821 } });
is(lost.length, 1);
is((await bot.wait(promise, 0)).state, 'pending');
const question = await ana.inbox({ unseen: true, wait: 30 });
is(question.map((one) => one.subject), ['Deploy 4821?']);
setTimeout(() => { void ana.answer(promise, 'approve'); }, 200);
const settled = await bot.wait<{ choice: string }>(promise, 60);
if (settled.state !== 'fulfilled') throw new Error(settled.state);
is(settled.value.choice, 'approve');
is(settled.context, { build: 4821 });
const id = question[0]?.id ?? '';
await ana.reply(id, 'Good luck.');
await ana.seen(id);
is(await ana.inbox({ unseen: true }), []);
is((await bot.inbox({ unseen: true, wait: 30 }))[0]?.preview, 'Good luck.');
for (const [wrong, code] of [[() => bot.send(['nobody'], 'x'), 'invalid_address'], [() => ana.answer(promise, 'reject'), 'already_answered']] as const) {
  const refused: unknown = await wrong().catch((error: unknown) => error);
  if (!(refused instanceof Problem) || refused.fix === '') throw new Error(`${code}: ${String(refused)}`);
  is(refused.code, code);
}
console.log('answered');
process.exit(0);
