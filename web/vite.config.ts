import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { budget } from './build/budget.ts';
import { first } from './build/first.ts';
import { icons } from './build/icons.ts';
import { worker } from './build/worker.ts';

const server = process.env.RESTANTE_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: '/',
  plugins: [svelte(), icons(), budget(60_000), worker()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the content security policy lets fonts and pictures come from files only
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rolldownOptions: {
      input: { index: 'index.html', sw: 'src/worker.ts' },
      output: { codeSplitting: { groups: [{ name: first('src/main.ts') }] }, entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
  server: { proxy: { '/v1': { target: server, changeOrigin: false } } },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
