// A program that is told by a webhook, and verifies what comes with the standard's own library (npm: standardwebhooks)
// and, where that has no asymmetric signatures, with Node's own. URL and TOKEN of a server are in the environment.
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { Webhook } = createRequire(`${process.env.NODE_MODULES}/`)('standardwebhooks');

const api = async (method, path, body) => {
  const headers = { authorization: `Bearer ${process.env.TOKEN}`, 'content-type': 'application/json' };
  const answer = await fetch(process.env.URL + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
};

const calls = [];
const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) body += piece;
  response.writeHead(204).end();
  calls.push({ headers: request.headers, body });
  server.emit('called');
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const called = once(server, 'called', { signal: AbortSignal.timeout(30_000) });
const made = await api('POST', '/v1/webhooks', { url: `http://127.0.0.1:${server.address().port}/in`, types: ['message.received'] });
await api('POST', `/v1/webhooks/${made.id}/test`, {});
await called;
const [{ headers, body }] = calls;
assert.equal(new Webhook(made.secret).verify(body, headers).type, 'webhook.test');
assert.throws(() => new Webhook(made.secret).verify(`${body} `, headers));

// RFC 8410: an Ed25519 key is twelve octets and the key itself.
const raw = Buffer.from(made.public_key.replace(/^whpk_/, ''), 'base64');
const key = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]), format: 'der', type: 'spki' });
const asymmetric = headers['webhook-signature'].split(' ').filter((one) => one.startsWith('v1a,')).map((one) => Buffer.from(one.slice(4), 'base64'));
const signed = (text) => Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`);
assert.ok(asymmetric.some((signature) => verify(null, signed(body), key, signature)));
assert.ok(!asymmetric.some((signature) => verify(null, signed(`${body} `), key, signature)));
console.log('verified');
process.exit(0);
