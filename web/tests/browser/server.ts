// The real binary with a data directory and ports of its own, on SQLite, or on PostgreSQL where TEST_POSTGRES names one.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { join, resolve } from 'node:path';

const binary = resolve(process.env.RESTANTE_BIN ?? fileURLToPath(new URL('../../../target/debug/restante', import.meta.url)));
const postgres = process.env.TEST_POSTGRES;

function sql(statement: string): void {
  execFileSync('psql', ['--no-psqlrc', '--quiet', '--dbname', at('postgres'), '--command', statement], { stdio: ['ignore', 'ignore', 'inherit'] });
}
function at(database: string): string {
  const url = new URL(postgres as string);
  url.pathname = `/${database}`;
  return url.href;
}

/** How a command ended: its exit code, and what it printed. */
export interface Ended { code: number | null; printed: string }

const running = new Set<Server>();
/** Kept of what a server prints, in characters. */
const KEPT = 20_000;

/** What the servers of this process have printed last. */
export function logs(): string[] {
  return [...running].map((server) => `--- ${server.url}\n${server.printed}`);
}

/** One server. Mail to outside goes to a port where nobody listens, so it is delayed. */
export class Server {
  /** Where it is, without a slash at the end. */
  url = '';
  /** The port that takes mail. */
  smtp = 0;
  /** The one-time link for the first administrator, where there is none yet. */
  setup = '';
  /** What it has printed last. */
  printed = '';
  #child: ChildProcess | null = null;
  readonly #dir = mkdtempSync(join(tmpdir(), 'restante-browser-'));
  readonly #database = postgres === undefined ? null : `browser_${randomBytes(6).toString('hex')}`;
  readonly #env: NodeJS.ProcessEnv;

  /** `settings` are environment variables besides the usual ones. */
  constructor(settings: Record<string, string> = {}) {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RESTANTE_')));
    this.#env = {
      ...clean, RESTANTE_DATA_DIR: join(this.#dir, 'data'), RESTANTE_HTTP__LISTEN: '127.0.0.1:0', RESTANTE_SMTP__LISTEN: '127.0.0.1:0',
      RESTANTE_RELAY__URL: 'smtp://127.0.0.1:9', RESTANTE_LOG__LEVEL: 'warn', ...settings,
    };
    if (this.#database !== null) {
      sql(`create database ${this.#database}`);
      this.#env.RESTANTE_DATABASE__URL = at(this.#database);
    }
  }

  /** Runs a command to its end; what it printed, without the last line break. */
  run(args: string[], input = ''): string {
    return execFileSync(binary, args, { cwd: this.#dir, env: this.#env, input, encoding: 'utf8' }).trimEnd();
  }

  /** Begins a command that talks to the server as the owner of a token; it goes on until it ends. */
  begin(args: string[], token: string): Promise<Ended> {
    const env = { ...this.#env, RESTANTE_URL: this.url, RESTANTE_TOKEN: token };
    const child = spawn(binary, args, { cwd: this.#dir, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => { printed += chunk.toString('utf8'); });
    return new Promise((ended) => { child.once('close', (code) => { ended({ code, printed: printed.trimEnd() }); }); });
  }

  /** Starts it and waits until it says that it is ready. */
  async start(): Promise<this> {
    const child = spawn(binary, ['serve'], { cwd: this.#dir, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    running.add(this);
    const keep = (chunk: Buffer): void => { this.printed = (this.printed + chunk.toString('utf8')).slice(-KEPT); };
    [this.printed, this.setup, this.smtp] = ['', '', 0];
    child.stderr.on('data', keep);
    child.stdout.on('data', keep);
    await new Promise<void>((ready, failed) => {
      const read = (): void => {
        const { printed } = this;
        this.setup = /https?:\/\/\S+\/setup\?token=\S+/.exec(printed)?.[0] ?? this.setup;
        const url = /Restante is ready on (https?:\/\/[^\s,]+)/.exec(printed)?.[1];
        this.smtp = Number(/mail in on \S+:(\d+)/.exec(printed)?.[1] ?? this.smtp);
        if (url !== undefined && this.smtp > 0) { this.url = url; ready(); }
      };
      child.stdout.on('data', read);
      child.once('exit', (code) => failed(new Error(`the server ended with ${code}: ${this.printed}`)));
    });
    return this;
  }

  /** Stops it and keeps its data. */
  async halt(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  /** Stops it and takes its data away. */
  async remove(): Promise<void> {
    running.delete(this);
    await this.halt();
    if (this.#database !== null) sql(`drop database ${this.#database} with (force)`);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
