/** @type {import('@sveltejs/vite-plugin-svelte').SvelteConfig} */
export default {
  compilerOptions: {
    runes: true,
    // From the component's own name and styles, never from a path on disk: the build must be the same on every machine.
    cssHash: ({ hash, css, name }) => `s-${hash(`${name}\n${css}`)}`,
  },
};
