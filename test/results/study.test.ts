// Studies read back from their files: whole ones as they were, damaged ones refused by the place of the damage.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { summarised } from '../../src/experiments/summary.ts';
import { pcaOf } from '../../src/report/cells.ts';
import { studyPage } from '../../src/report/html/study-page.ts';
import { studyText } from '../../src/report/terminal/study.ts';
import { readCell, readStudy } from '../../src/results/reading.ts';
import type { CellResult, Study } from '../../src/results/study.ts';
import { expectRefusedOrShown, expectWhole, type Json } from '../support/damage.ts';
import { content } from '../support/pages.ts';
import { root } from '../support/paths.ts';
import { sensitivityStudy } from '../support/studies.ts';

vi.mock('../../src/report/html/vega.ts', async (original) => {
  const { spelledOut: drawn } = await import('../support/damage.ts');
  return { ...(await original<typeof import('../../src/report/html/vega.ts')>()), drawn };
});

const read = (file: string) => readFileSync(join(root, 'results/reference', file), 'utf8');
const lines = read('cells.jsonl').trimEnd().split('\n');
const reference = readStudy(JSON.parse(read('study.json')));
const json = (value: unknown): Json => JSON.parse(JSON.stringify(value));

/** A pair of the committed study and two controls, all of it real. */
function sweep(): { study: Study; cells: Map<string, CellResult> } {
  const { pairs, controls, angles, curves } = reference;
  const pair = pairs.slice(0, 1);
  const held = controls.filter(
    ({ control, of }) => control === 'none' || (control === 'noise' && of === pair[0]?.cell),
  );
  const names = [...pair.flatMap(({ cell, partner }) => [cell, partner]), ...held.map(({ cell }) => cell)];
  const all = lines.map((line) => readCell(JSON.parse(line), reference));
  const cells = new Map(all.filter(({ id }) => names.includes(id)).map((cell) => [cell.id, cell]));
  const some = { cells: names, pairs: pair, controls: held, angles: angles.slice(0, 1), curves: curves.slice(0, 2) };
  return { study: summarised({ ...reference, ...some }, cells), cells };
}

/** One that has all that a study may have. */
function noted(): ReturnType<typeof sensitivityStudy> {
  const { study, cells } = sensitivityStudy();
  const drawn = { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1, seed: 0, maxNewTokens: 4 };
  const sampling = { ...drawn, system: 'Be brief.', chat: 'abc' };
  const text = { ...study.text, documents: 2 };
  return { study: { ...study, text, context: { ...study.context, sampling }, notes: ['no BOS'] }, cells };
}

const whole = { sweep: sweep(), sensitivity: noted() };

test('the cells and the study that are committed are read key by key as they were written', () => {
  expect(JSON.stringify(readStudy(JSON.parse(read('study.json'))), null, 1)).toBe(read('study.json').trimEnd());
  for (const line of lines) expect(JSON.stringify(readCell(JSON.parse(line), reference))).toBe(line);
});

test('a perplexity that is too large for JSON is read as it was', () => {
  const { study, cells } = whole.sensitivity;
  const scores = { nll: 1000, perplexity: Number.POSITIVE_INFINITY };
  const original = study.original && { ...study.original, scores };
  expect(readStudy(json({ ...study, original }))).toEqual({ ...study, original });
  const [cell] = cells.values();
  const wrecked = cell && { ...cell, scores: { ...cell.scores, ...scores } };
  expect(readCell(json(wrecked), study)).toEqual(wrecked);
});

async function shown(study: Study, cells: ReadonlyMap<string, CellResult>): Promise<string> {
  return content(await studyPage(study, cells)) + studyText(study, cells, 'folder');
}

describe.each(['sweep', 'sensitivity'] as const)('a %s', (kind) => {
  const { study, cells } = whole[kind];

  test('is shown whole', async () => {
    expectWhole(await shown(study, cells));
  });

  test('with anything of study.json damaged is refused by its place, or shown whole', async () => {
    const refusal = 'is not a study that this version reads';
    const refused = await expectRefusedOrShown(study, readStudy, refusal, (left) => shown(left, cells));
    expect(refused).toBeGreaterThan(150);
  });

  test('with anything of a cell damaged is refused by its place, or shown whole', async () => {
    const chosen = [...cells.values()].filter((cell) => pcaOf(cell)?.match || kind === 'sensitivity').slice(0, 1);
    for (const cell of chosen) {
      const read = (damaged: Json) => readCell(damaged, study);
      const show = (left: CellResult) => shown(study, new Map(cells).set(cell?.id ?? '', left));
      expect(await expectRefusedOrShown(cell, read, 'is not a cell', show)).toBeGreaterThan(80);
    }
  });
});
