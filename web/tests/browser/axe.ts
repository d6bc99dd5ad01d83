// axe-core in the page. It is evaluated by the browser's debugger, so the page's own policy stays as it is.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import type { AxeResults, RunOptions } from 'axe-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const rules: RunOptions = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] };

/** The findings as `rule: element`, empty when there are none. */
export async function findings(page: Page): Promise<string[]> {
  await page.evaluate(source);
  const { violations } = await page.evaluate((options) => (window as unknown as { axe: { run: (options: RunOptions) => Promise<AxeResults> } }).axe.run(options), rules);
  return violations.flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.target.join(' ')} (${node.failureSummary?.replaceAll('\n', ' ') ?? ''})`));
}
