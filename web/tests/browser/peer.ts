// The next hop of a server under test, and a way to hand it mail: SMTP over real sockets.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** One message it took. */
export interface Taken { from: string; to: string; data: string }

/** Calls `line` with each line of a connection, without its end. */
function lines(socket: Socket, line: (text: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    rest += chunk;
    for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
      const text = rest.slice(0, end);
      rest = rest.slice(end + 2);
      line(text);
    }
  });
}

/** Takes everything, after answering 451 to the first `refusals` recipients. */
export class Peer {
  readonly taken: Taken[] = [];
  refused = 0;
  readonly #server = createServer((socket) => { this.#converse(socket); });

  constructor(readonly refusals: number) {}

  /** Listens; the URL a server relays to. */
  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return `smtp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void { this.#server.close(); }

  /** The first message for this address; waits for it. */
  async received(to: string, holding = ''): Promise<Taken> {
    for (const until = Date.now() + 30_000; Date.now() < until; await new Promise((again) => setTimeout(again, 50))) {
      const found = this.taken.find((message) => message.to === to && message.data.includes(holding));
      if (found !== undefined) return found;
    }
    throw new Error(`nothing for ${to} came`);
  }

  #converse(socket: Socket): void {
    let from = '', to = '', data: string[] | null = null;
    const say = (text: string): void => { socket.write(`${text}\r\n`); };
    socket.on('error', () => { socket.destroy(); });
    lines(socket, (line) => {
      if (data !== null) {
        if (line !== '.') { data.push(line.replace(/^\./, '')); return; }
        this.taken.push({ from, to, data: data.join('\r\n') });
        data = null;
        say('250 2.0.0 queued');
      } else if (/^EHLO/i.test(line)) say('250-peer.test\r\n250-8BITMIME\r\n250 SMTPUTF8');
      else if (/^MAIL/i.test(line)) { from = /<(.*?)>/.exec(line)?.[1] ?? ''; say('250 2.1.0 ok'); }
      else if (/^RCPT/i.test(line)) {
        if (this.refused < this.refusals) { this.refused += 1; say('451 4.3.0 not now'); return; }
        to = /<(.*?)>/.exec(line)?.[1] ?? '';
        say('250 2.1.5 ok');
      } else if (/^DATA/i.test(line)) { data = []; say('354 go on'); }
      else if (/^QUIT/i.test(line)) { say('221 2.0.0 bye'); socket.end(); }
      else say('250 2.0.0 ok');
    });
    say('220 peer.test ESMTP');
  }
}

/** Hands a message to an SMTP server; the reply to its final dot. */
export async function hand(port: number, from: string, to: string, data: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const commands = ['EHLO phone.test', `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA', `${data.replaceAll(/^\./gm, '..')}\r\n.`, 'QUIT'];
  return new Promise((done, failed) => {
    let sent = 0, last = '';
    socket.on('error', failed);
    lines(socket, (line) => {
      if (line[3] === '-') return;
      if (!/^[23]/.test(line)) failed(new Error(line));
      if (sent === 5) last = line;
      const next = commands[sent];
      sent += 1;
      if (next === undefined) { socket.end(); done(last); } else socket.write(`${next}\r\n`);
    });
  });
}
