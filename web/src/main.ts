// The inbox starts here.
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import { applyTheme, prefs } from './state/prefs.svelte.ts';
import { router } from './state/route.svelte.ts';
import { session } from './state/session.svelte.ts';
import { speak, spoken } from './texts/language.ts';
import App from './views/App.svelte';

applyTheme();
const { now } = router;
if (now.page === 'mail') session.readAhead(now.box.kind === 'mailbox' ? now.box.ref : null);
const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');

// English is here already; another language comes before anything is drawn.
const waits = speak(prefs.language, navigator.languages);
document.documentElement.lang = spoken.language;
const begin = (): void => { mount(App, { target }); };
if (waits === null) begin(); else {
  void waits.catch(() => { spoken.language = 'en'; spoken.locale = 'en-GB'; document.documentElement.lang = 'en'; }).then(begin);
}

// Under `require-trusted-types-for` only a policy may name a script, and this one names a single one.
interface Maker { createScriptURL(input: string): string }
const factory = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Maker): Maker } }).trustedTypes;
const rules: Maker = { createScriptURL: () => '/sw.js' };
const maker = factory === undefined ? rules : factory.createPolicy('worker', rules);
if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  // The worker says where to go when a message of the browser's was clicked.
  navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<string>) => router.go(data));
  // After the first page is there: the worker is for the next one.
  addEventListener('load', () => setTimeout(() => void navigator.serviceWorker.register(maker.createScriptURL('')).catch(() => undefined), 1000));
}
