// The inbox starts here.
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import { applyTheme } from './state/prefs.svelte.ts';
import App from './views/App.svelte';

applyTheme();
const target = document.getElementById('app');
if (target === null) throw new Error('index.html has no #app');
mount(App, { target });
