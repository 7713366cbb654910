import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectRemade, surgery } from '../support/cli.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const model = fixture('mqa-bias-f32');
const widest = (text: string) => Math.max(...text.split('\n').map((line) => [...line].length));

describe('surgery probe', () => {
  const output = join(tmp, 'probe');

  test('both models at every layer, as text and in a folder', async () => {
    const args = ['probe', '--model', model, '--variance', '0.5', '--max-tokens', '64', '--output', output, '--quiet'];
    const { code, stdout, stderr } = await surgery(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\nResult {5}Original model: input tokens recovered from the last layer: /);
    expect(stdout).toContain('Top-1 accuracy of the probes, %, operated model\n');
    expect(stdout.split('\n').length).toBeLessThan(60);
    expect(widest(stdout)).toBeLessThanOrEqual(80);
    expect(readdirSync(output).sort()).toEqual([
      'probe-depth.svg',
      'probe-weight-embed-operated.svg',
      'probe-weight-embed.svg',
      'probe-weight-unembed-operated.svg',
      'probe-weight-unembed.svg',
      'probe.json',
      'report.html',
    ]);
    await expectRemade(output);
    const { variants, points } = JSON.parse(readFileSync(join(output, 'probe.json'), 'utf8'));
    expect(points).toEqual(['embed', '0', '1']);
    expect(variants.map(({ variant }: { variant: string }) => variant)).toEqual(['original', 'operated']);
    const [original, operated] = variants;
    const top1 = ({ points: all }: typeof original, point: number) =>
      all[point].readings.find((one: { map: string }) => one.map === 'probe').reading.top1.value;
    expect(top1(original, 0)).toBe(1); // the embedding holds the token whole, before any operated layer
    expect(top1(operated, 0)).toBe(1);
    expect(top1(operated, 2)).not.toBe(top1(original, 2));
  });

  test('between attention and MLP too, the other points unchanged', async () => {
    const args = ['probe', '--model', model, '--max-tokens', '64', '--sublayers', '--json', '--quiet'];
    const { code, stdout } = await surgery(args);
    expect(code).toBe(0);
    const { points, variants } = JSON.parse(stdout);
    expect(points).toEqual(['embed', '0 attn', '0', '1 attn', '1']);
    const [{ points: found }] = variants;
    type Point = { readings: { reading: { r2: { value: number } } }[] };
    const own = (all: Point[]) => all.map(({ readings }) => readings[0]?.reading.r2.value ?? Number.NaN);
    const [embed, between, first, , second] = own(found);
    const whole = own(JSON.parse(readFileSync(join(output, 'probe.json'), 'utf8')).variants[0].points);
    for (const [i, value] of [embed, first, second].entries()) expect(value).toBeCloseTo(whole[i] ?? Number.NaN, 4);
    for (const other of [embed, first]) expect(Math.abs((between ?? 0) - (other ?? 0))).toBeGreaterThan(1e-4);
  });

  test('results are replaced with --force only, and a text has to be long enough', async () => {
    const taken = await surgery(['probe', '--model', model, '--output', output, '--quiet']);
    expect(taken).toMatchObject({ code: 2, stdout: '' });
    expect(taken.stderr).toMatch(/holds results already/);
    const short = await surgery(['probe', '--model', model, '--documents', '1', '--max-tokens', '20', '--quiet']);
    expect(short).toMatchObject({ code: 2, stdout: '' });
    expect(short.stderr).toBe(
      'surgery: the built-in passages: 18 positions to probe, 100 are the least: give a longer text, or more of it (--max-tokens, --documents, --chunk stream)\n',
    );
  });
});

describe('surgery basis', () => {
  test.each([
    ['pca', 24],
    ['nmf', 8],
    ['frequency', 24],
    ['random', 24],
    ['dictionary', 40],
  ])('%s: one JSON document', async (method, components) => {
    const args = ['basis', '--model', model, '--of', 'unembed', '--method', method, '--components', String(components)];
    const { code, stdout, stderr } = await surgery([...args, '--max-tokens', '64', '--json', '--quiet']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ method, of: 'unembed' });
    expect(result.components).toHaveLength(components);
    const errors = result.reconstruction.map(({ error }: { error: number }) => error);
    expect(errors).toEqual(errors.toSorted((a: number, b: number) => b - a));
    if (components < 24 || components > 24) return;
    // An orthonormal basis of the whole space misses nothing and holds every map's weight.
    expect(errors.at(-1)).toBeLessThan(1e-9);
    for (const weight of [
      (one: { shares: { embed: number } }) => one.shares.embed,
      (one: { shares: { unembed: number } }) => one.shares.unembed,
      (one: { probe: { points: number[] }[] }) => one.probe[0]?.points[1] ?? 0,
    ])
      expect(result.components.map(weight).reduce((sum: number, share: number) => sum + share, 0)).toBeCloseTo(1, 6);
  });

  test('as text, with the variant and the original', async () => {
    const args = [
      'basis',
      '--model',
      model,
      '--variance',
      '0.5',
      '--method',
      'dictionary',
      '--components',
      '30',
      '--full',
    ];
    const { code, stdout } = await surgery([...args, '--max-tokens', '64', '--quiet', '--output', join(tmp, 'basis')]);
    expect(code).toBe(0);
    expect(stdout).toContain('Coherence of the atoms');
    expect(widest(stdout)).toBeLessThanOrEqual(80);
    expect(readdirSync(join(tmp, 'basis')).sort()).toEqual(['basis.json', 'basis.svg', 'report.html']);
    await expectRemade(join(tmp, 'basis'));
  });

  test('sizes that a method cannot have are refused', async () => {
    const refused = async (...more: string[]) =>
      (await surgery(['basis', '--model', model, ...more, '--quiet'])).stderr;
    expect(await refused('--components', '25')).toBe('surgery: --components is 25, pca allows 1 to 24 on this model\n');
    expect(await refused('--method', 'dictionary', '--components', '24')).toBe(
      "surgery: --components is 24, dictionary allows more than the hidden size, 24, up to the vocabulary's 91 on this model\n",
    );
    expect(await refused('--method', 'svd')).toMatch(
      /--method is "svd", allowed: pca, nmf, frequency, random, dictionary/,
    );
  });
});
