// surgery lens and surgery unlikely as a user starts them.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LensResult } from '../../src/analyses/lens/result.ts';
import type { UnlikelyResult } from '../../src/analyses/unlikely/result.ts';
import { withoutFolders } from '../../src/results/shapes.ts';
import { expectRemade, surgery } from '../support/cli.ts';
import { type Forward, golden } from '../support/goldens.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const widest = (text: string) => Math.max(...text.split('\n').map((line) => [...line].length));

test('lens: a prompt and a text, the original and an operated model, as JSON and in a folder', async () => {
  const { prompt = '', lens_top1: expected } = golden<Forward[]>(fixture('pocket'), 'forward.json')[1] ?? {};
  const output = join(tmp, 'lens');
  const text = ['--text', join(pocket, 'valid.txt'), '--documents', '3', '--max-tokens', '24'];
  const { code, stdout } = await surgery([
    'lens',
    '--model',
    'pocket',
    '--prompt',
    prompt,
    '--variance',
    '0.5',
    ...text,
    '--top-tokens',
    '2',
    '--json',
    '--quiet',
    '--output',
    output,
  ]);
  expect(code).toBe(0);
  const result: LensResult = JSON.parse(stdout);
  const [original, operated] = result.prompts[0]?.variants ?? [];
  expect(original?.cells.map((row) => row.map(({ top }) => top[0]?.id))).toEqual(expected);
  expect(operated?.variant).toBe('operated');
  expect(operated?.cells.at(-1)).not.toEqual(original?.cells.at(-1));
  expect(result.text?.variants[1]?.changes?.at(-1)?.kl?.mean).toBeGreaterThan(0);
  expect(JSON.parse(readFileSync(join(output, 'lens.json'), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(withoutFolders(result))),
  );
  expect(readdirSync(output).sort()).toEqual(
    ['lens-depth.svg', 'lens-operated.svg', 'lens-steps.svg', 'lens.json', 'lens.svg', 'report.html'].sort(),
  );
  expect(result.command).toMatch(/^surgery lens --model pocket --prompt .* --top-tokens 2$/);
  await expectRemade(output);
});

test('lens: text for a terminal, points up, also after attention alone', async () => {
  const { code, stdout, stderr } = await surgery([
    'lens',
    '--model',
    'pocket',
    '--prompt',
    'The dog said',
    '--sublayers',
    '--colour',
    'kl',
    '--quiet',
  ]);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/coloured by KL to the last layer \(bits\)/);
  expect(stdout).toMatch(/\n5 {9}.*\n5 attn .*\n4 {9}/);
  expect(widest(stdout)).toBeLessThanOrEqual(80);
});

test('unlikely: the same seed gives the same figures, and chance next to each', async () => {
  const args = ['unlikely', '--model', 'pocket', '--documents', '4', '--max-tokens', '30', '--quiet', '--seed', '3'];
  const output = join(tmp, 'unlikely');
  const [json, text] = [await surgery([...args, '--json']), await surgery([...args, '--output', output])];
  const { variants }: UnlikelyResult = JSON.parse(json.stdout);
  expect(variants).toHaveLength(1);
  const last = variants[0]?.points.at(-1);
  expect(last?.bands[0]?.energy?.mean).toBeGreaterThan(last?.mixtures?.mean ?? 99);
  expect(text.stdout).toContain(` ${last?.random?.mean.toFixed(3)}\n`);
  expect(text.stdout).toMatch(/\nResult {5}.*near-impossible tokens/);
  expect(text.stdout).toMatch(/\nReport {5}.*unlikely\/report\.html\n$/);
  expect(widest(text.stdout.replaceAll(tmp, ''))).toBeLessThanOrEqual(80);
  expect(JSON.parse(readFileSync(join(output, 'unlikely.json'), 'utf8')).variants).toEqual(variants);
  await expectRemade(output);
});

test('several folders make one page; a damaged result is refused by its place', async () => {
  const page = join(tmp, 'both.html');
  const folders = [join(tmp, 'lens'), join(tmp, 'unlikely')];
  const made = await surgery(['report', ...folders, '--output', page, '--quiet']);
  expect(made).toMatchObject({ code: 0, stdout: `Report     ${page}\n` });
  const text = readFileSync(page, 'utf8');
  for (const id of ['prompt', 'lens-depth', 'unlikely', 'findings']) expect(text).toContain(`<section id="${id}"`);
  const file = join(tmp, 'unlikely/unlikely.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"positions":', '"position":'));
  const refused = await surgery(['report', ...folders, '--output', page, '--quiet']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toMatch(
    /^surgery: .*unlikely\.json is not a result that this version reads, at variants\.0\.positions: .*: run its command again\n$/,
  );
});

test('what cannot be is refused in one line', async () => {
  const refused = async (...args: string[]) => {
    const { code, stderr } = await surgery(['lens', '--model', 'pocket', '--quiet', ...args]);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refused('--colour', 'red')).toMatch(/--colour is "red", allowed: probability, kl, rank\n$/);
  mkdirSync(join(tmp, 'mine'));
  writeFileSync(join(tmp, 'mine/notes.txt'), '');
  expect(await refused('--output', join(tmp, 'mine'))).toMatch(
    /holds other files than lens\.json and its charts: name a new folder/,
  );
});
