// The committed studies: complete, and their words' figures are those that the program prints of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readStudyFolder } from '../../src/experiments/folder.ts';
import { summarised } from '../../src/experiments/summary.ts';
import { studyPage } from '../../src/report/html/study-page.ts';
import { studyText } from '../../src/report/terminal/study.ts';
import { root } from '../support/paths.ts';

const folders = ['results/reference', 'results/smollm2', 'results/smollm2/sensitivity'].map((name) => join(root, name));
const folder = join(root, 'results/reference');

describe.each(folders)('%s', (folder) => {
  test('is complete, and what follows from its cells is what its study.json says', async () => {
    const { study, cells } = await readStudyFolder(folder);
    expect(study.complete).toBe(true);
    expect(study.cells.every((id) => cells.has(id))).toBe(true);
    expect(summarised(study, cells)).toEqual(study);
  });

  test('its page is what the program makes of it, byte for byte', async () => {
    const { study, cells } = await readStudyFolder(folder);
    const page = await studyPage(study, cells);
    expect(page === readFileSync(join(folder, 'report.html'), 'utf8'), 'surgery report on that folder').toBe(true);
  });
});

/** Lines that the program prints of a study. */
async function linesOf(folder: string): Promise<string[]> {
  const { study, cells } = await readStudyFolder(folder);
  return studyText(study, cells, folder)
    .split('\n')
    .map((line) => line.trimEnd());
}

test.each([
  ['results/reference', ['results/reference']],
  ['results/smollm2', ['results/smollm2', 'results/smollm2/sensitivity']],
])('every line that %s quotes is printed', async (name, studies) => {
  const printed = new Set((await Promise.all(studies.map((one) => linesOf(join(root, one))))).flat());
  const words = readFileSync(join(root, name, 'README.md'), 'utf8');
  const quoted = [...words.matchAll(/^```\n(.*?)^```/gms)].flatMap(([, block = '']) => block.trimEnd().split('\n'));
  expect(quoted.length).toBeGreaterThan(20);
  expect(quoted.filter((line) => !printed.has(line))).toEqual([]);
});

test('its sentences about all rows hold', async () => {
  const { study, cells } = await readStudyFolder(folder);
  for (const { rule, difference } of study.pairs)
    if (rule !== 'variance') expect(difference?.interval?.[1]).toBeLessThan(0);
  expect(study.angles).toHaveLength(30);
  for (const { meanSquaredCosine, random } of study.angles)
    expect(meanSquaredCosine).toBeGreaterThan(random.mostMeanSquaredCosine);
  for (const { control, of, difference } of study.controls) {
    const [operation] = cells.get(of ?? '')?.recipe ?? [];
    const variance = operation?.kind === 'pca' ? operation.variance : undefined;
    const [low = Number.NaN, high = Number.NaN] = difference?.interval ?? [];
    if (control === 'random-subspace') expect(low).toBeGreaterThan(1);
    if (control === 'noise') expect(high < 0, `noise at ${variance}`).toBe(variance !== 0.9);
    if (control === 'other-layer') expect(low > 0, `other-layer at ${variance}`).toBe(variance !== 0.9);
  }
  for (const { cell, partner } of study.pairs) {
    const [a, b] = [cells.get(cell)?.tasks?.interval, cells.get(partner)?.tasks?.interval];
    expect(Math.max(a?.[0] ?? 0, b?.[0] ?? 0)).toBeLessThan(Math.min(a?.[1] ?? 0, b?.[1] ?? 0));
  }
});
