// The committed report in a real browser: quiet, alone, accessible, and its script does what it says.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import type { FindingKind } from '../../../src/analyses/results.ts';
import { findingsPage } from '../../../src/report/html/analyses/page.ts';
import { runPage } from '../../../src/report/html/run-page.ts';
import { studyPage } from '../../../src/report/html/study-page.ts';
import { browserPath, launch } from '../../support/browser.ts';
import { surgery } from '../../support/cli.ts';
import { findings } from '../../support/findings.ts';
import { needs } from '../../support/needs.ts';
import { pocket, root, temporaryFolder } from '../../support/paths.ts';
import { run, sample } from '../../support/runs.ts';
import { largeStudy } from '../../support/studies.ts';

const heldOut = join(pocket, 'valid.txt');
const reference = join(root, 'results/reference/report.html');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** SURGERY_SCREENSHOTS=1 takes the pictures anew; they are looked at, not compared. */
const pictures = process.env.SURGERY_SCREENSHOTS ? join(import.meta.dirname, 'screenshots') : undefined;

describe(
  'in Chromium',
  needs(browserPath !== undefined, 'there is no Chromium: make browser, or set CHROMIUM to a browser of yours'),
  () => {
    let browser: Promise<Browser> | undefined;
    const tmp = temporaryFolder();
    afterAll(async () => (await browser)?.close());

    /** A page and everything that it said or asked for. */
    async function opened(file: string, options: Parameters<Browser['newPage']>[0] = {}) {
      browser ??= launch();
      const page = await (await browser).newPage(options);
      page.setDefaultTimeout(200_000); // on a machine that is busy with other things
      const noise: string[] = [];
      page.on('console', (message) => noise.push(message.text()));
      page.on('pageerror', (error) => noise.push(error.message));
      page.on('request', (request) => noise.push(request.url()));
      await page.goto(pathToFileURL(file).href);
      expect(noise.shift()).toBe(pathToFileURL(file).href);
      return { page, noise };
    }

    test.each(['light', 'dark'] as const)(
      '%s: no message, no request, no barrier, nothing wider than the screen',
      async (colorScheme) => {
        for (const width of [390, 900, 1400]) {
          const { page, noise } = await opened(reference, { colorScheme, viewport: { width, height: 1200 } });
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
          if (pictures) await page.screenshot({ path: join(pictures, `sweep-${width}-${colorScheme}.png`) });
          // A large page takes the checks half a minute: the dark colours are checked on a small one below.
          if (width === 900 && colorScheme === 'light') expect(await barriers(page)).toEqual([]);
          expect(noise).toEqual([]);
          await page.close();
        }
      },
    );

    test('toggles hide a series everywhere, tables sort by value, CSV holds every digit, marks tell what they are', async () => {
      const { page, noise } = await opened(reference);
      const marks = '[data-s="shared-kv"]';
      const visible = () => page.locator(`${marks}:visible`).count();
      const all = await visible();
      expect(all).toBeGreaterThan(10);
      const boxes = page.locator('.legend input[value="shared-kv"]:visible');
      await boxes.first().uncheck();
      expect(await visible()).toBe(0);
      const tabs = page.locator('.tabs').first();
      expect(await tabs.locator('.tab:visible').count()).toBe(1);
      await tabs.getByRole('radio', { name: 'Width' }).check();
      expect(await tabs.locator('.tab:visible').locator('.name').allTextContents()).toEqual(['Width']);
      expect(await boxes.first().isChecked()).toBe(false);
      await boxes.first().check();
      await tabs.getByRole('radio', { name: 'Variance' }).check();
      expect(await visible()).toBe(all);

      const table = page.locator('table[data-csv="cells"]');
      const column = () =>
        table
          .locator('tbody tr td:nth-child(5)')
          .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('data-v'))));
      const head = table.locator('th:nth-child(5)');
      const before = await column();
      for (const direction of [1, -1]) {
        await head.getByRole('button').click();
        expect(await column()).toEqual([...before].sort((a, b) => direction * (a - b)));
        expect(await head.getAttribute('aria-sort')).toBe(direction === 1 ? 'ascending' : 'descending');
      }

      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Download CSV' }).first().click();
      const csv = readFileSync((await (await download).path()) ?? '', 'utf8')
        .trimEnd()
        .split('\n');
      expect(csv).toHaveLength(before.length + 1);
      expect(csv.slice(1).map((line) => Number(line.split(',')[4]))).toEqual(await column());
      expect(csv[0]).toContain('perplexity,Δnll,Δnll low,Δnll high,KL,KL low,KL high,same top');
      for (const line of csv.slice(1)) {
        const [value = Number.NaN, low = Number.NaN, high = Number.NaN] = line.split(',').slice(5, 8).map(Number);
        expect(low <= value && value <= high, line).toBe(true);
      }

      await page.locator(`path${marks}[data-tip]`).first().hover({ force: true });
      expect(await page.locator('#tip').textContent()).toMatch(/^shared-kv .*\nperplexity .*\nΔnll /s);
      expect(noise.filter((line) => !line.startsWith('blob:'))).toEqual([]);
    });

    test('a long table shows 60 rows and says how many more there are; a row of a chart has its name above it on a phone', async () => {
      const file = join(tmp, 'large.html');
      const { study, cells } = largeStudy();
      writeFileSync(file, await studyPage(study, cells));
      const { page, noise } = await opened(file, { javaScriptEnabled: false, viewport: { width: 390, height: 1200 } });
      const table = page.locator('.table', { has: page.locator('table[data-csv="cells"]') });
      const all = await table.locator('tbody tr').count();
      expect(all).toBeGreaterThan(60);
      expect(await table.locator('tbody tr:visible').count()).toBe(60);
      await table.getByLabel(`${all - 60} more rows`).check();
      expect(await table.locator('tbody tr:visible').count()).toBe(all);

      const drawn = page.locator('#comparisons figure').first().locator('svg[role=img]:visible');
      expect(await drawn.count()).toBe(1);
      const size = (await drawn.locator('text').first().boundingBox())?.height;
      expect(size).toBeGreaterThan(10);
      expect(noise).toEqual([]);
      await page.close();
    });

    test('what a model writes stays text', async () => {
      const text =
        "</script></span><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
      const file = join(tmp, 'hostile.html');
      const pair = [sample([text], { prompt: text }), sample([text])] as const;
      const ref = "x</script><script>document.title='taken'";
      writeFileSync(file, await runPage(run({ command: text, model: { ...run().model, ref } }, [pair])));
      const { page, noise } = await opened(file, { colorScheme: 'dark' });
      expect(await page.title()).toContain("<script>document.title='taken'");
      expect(await page.locator('img').count()).toBe(0);
      expect(await page.locator('.side').first().textContent()).toContain(text + text);
      expect(noise).toEqual([]);
      expect(await barriers(page)).toEqual([]);
      if (pictures) await page.screenshot({ path: join(pictures, 'hostile.png') });
      await page.close();
    });

    test('what was found inside: no barrier, wide maps scroll by themselves, cells tell what they are', async () => {
      const file = join(tmp, 'inside.html');
      // Without the probe's, which are many of the same kind: the checks take long on them.
      const { lens, unlikely, basis } = findings();
      const all = [lens, unlikely, basis].map((finding) => ({ label: finding.kind, finding }));
      writeFileSync(file, await findingsPage(all, 'surgery report lens unlikely basis'));
      const { page, noise } = await opened(file, { colorScheme: 'dark', viewport: { width: 390, height: 1200 } });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      expect(await barriers(page)).toEqual([]);
      await page.locator('.wide rect[data-tip], .wide path[data-tip]').first().hover({ force: true });
      expect(await page.locator('#tip').textContent()).toMatch(
        /^original, layer 1, after “·dog0”\n“·dog” \d\.\d %\nentropy 0\.0\d+ bits$/,
      );
      const operated = page.locator('[data-s="operated"]:visible');
      expect(await operated.count()).toBeGreaterThan(20);
      await page.locator('.legend input[value="operated"]').first().uncheck();
      expect(await operated.count()).toBe(0);
      expect(noise).toEqual([]);
      await page.close();
    });

    test('without script everything is there to be read, and paper is light', async () => {
      const { page } = await opened(reference, { javaScriptEnabled: false, colorScheme: 'dark' });
      expect(await page.locator('.legend input').count()).toBe(0);
      expect(await page.locator('figure svg').first().isVisible()).toBe(true);
      expect(await page.locator('table[data-csv="cells"] tbody tr').first().isVisible()).toBe(true);
      expect(await page.locator('details').count()).toBeGreaterThan(5);
      const ground = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
      const dark = await ground();
      await page.getByRole('radio', { name: 'Parameters' }).check();
      expect(await page.locator('.tab:visible').count()).toBe(1);
      await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
      expect(await ground()).toBe('rgb(255, 255, 255)');
      expect(await page.locator('.tab:visible').count()).toBe(3);
      expect(dark).not.toBe('rgb(255, 255, 255)');
      await page.close();
    });

    if (pictures) {
      mkdirSync(pictures, { recursive: true });
      test.each([['comparisons'], ['samples'], ['weights']])('pictures of %s', async (section) => {
        const { page } = await opened(reference, { viewport: { width: 900, height: 1000 } });
        await page.locator(`#${section}`).evaluate((element) => element.scrollIntoView());
        await page.screenshot({ path: join(pictures, `sweep-${section}.png`) });
        await page.close();
      });

      test.each<[FindingKind, string, readonly (readonly [width: number, scheme: 'light' | 'dark'])[]]>([
        ['lens', 'prompt', [390, 900, 1400].flatMap((width) => [[width, 'light'] as const, [width, 'dark'] as const])],
        ['unlikely', 'unlikely', [[900, 'light']]],
        ['probe', 'probe-likeness', [[900, 'light']]],
        ['basis', 'basis-along', [[900, 'dark']]],
      ])('pictures of surgery %s on pocket', async (kind, section, looks) => {
        const folder = join(tmp, kind);
        const prompt = kind === 'lens' ? ['--prompt', 'Once upon a time there was a dog', '--text', heldOut] : [];
        const args = ['--model', 'pocket', '--documents', '20', '--variance', '0.5', ...prompt];
        expect(await surgery([kind, ...args, '--output', folder, '--quiet'])).toMatchObject({ code: 0 });
        for (const [width, colorScheme] of looks) {
          const { page } = await opened(join(folder, 'report.html'), {
            colorScheme,
            viewport: { width, height: 1100 },
          });
          await page.locator(`#${section}`).evaluate((element) => element.scrollIntoView());
          await page.screenshot({ path: join(pictures, `${kind}-${width}-${colorScheme}.png`) });
          await page.close();
        }
      });
    }
  },
);

/** What axe finds against WCAG 2.2 AA and good practice. */
async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found: { id: string; nodes: { html: string }[] }[] = await page.evaluate(
    'axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)',
  );
  return found.map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0]?.html.slice(0, 160)}`);
}
