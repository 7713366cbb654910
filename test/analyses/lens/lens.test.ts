import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Differences, Lens, lensesOf } from '../../../src/analyses/lens/lens.ts';
import { lensSources } from '../../../src/analyses/lens/source.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import { golden, type Inside, type LensGolden, largestDifference } from '../../support/goldens.ts';
import { fixture, pocket } from '../../support/paths.ts';

const { prompt } = golden<Inside>(fixture('pocket'), 'inside.json');
const open = async () => lensSources(await Checkpoint.open(pocket), [prompt.ids], { sublayers: true, threads: 1 });

/** Bits within 1e-3, probabilities within 1e-4, ranks equal: the logits are float32, the reference's float64. */
function expectAsGolden(ours: Differences, theirs: LensGolden) {
  expect(largestDifference(ours.kl, theirs.kl.flat())).toBeLessThan(1e-3);
  expect(largestDifference(ours.stepKl, theirs.step_kl.flat())).toBeLessThan(1e-3);
  expect(largestDifference(ours.probabilityFinal, theirs.probability_final.flat())).toBeLessThan(1e-4);
  expect([...ours.rankFinal]).toEqual(theirs.rank_final.flat());
  expect([...ours.rankInput]).toEqual(theirs.rank_input.flat());
}

test("entropies, divergences and ranks of a prompt are the reference's, after attention alone too", async () => {
  const { models, close } = await open();
  const model = itemAt(models, 0);
  const { value: chunk } = await model.chunks(prompt.ids).next();
  if (!chunk) throw new Error('nothing was read');
  const figures = new Lens(model.checkpoint.config.vocabSize).figures(chunk, 0, Int32Array.from(prompt.partners));
  expect([...figures.top]).toEqual(prompt.top.flat());
  expect(largestDifference(figures.entropy, prompt.entropy.flat())).toBeLessThan(1e-3);
  expectAsGolden(figures, prompt);
  if (!figures.shuffled) throw new Error('nothing was shuffled');
  expectAsGolden(figures.shuffled, prompt.shuffled);
  // The last point against itself.
  expect(largestDifference(figures.kl.slice(-prompt.ids.length), Array(prompt.ids.length).fill(0))).toBeLessThan(1e-12);
  await close();
});

test('cells of a prompt hold the same figures, and tokens in order of probability', async () => {
  const { models, close } = await open();
  const [cells = []] = await lensesOf(models, prompt.ids, 3);
  expect(cells.map((row) => row.map(({ top }) => top[0]?.id))).toEqual(prompt.top);
  expect(cells.map((row) => row.map(({ rankInput }) => rankInput))).toEqual(prompt.rank_input);
  const last = cells.at(-1)?.at(-1);
  expect(last?.top[0]?.probability).toBe(last?.probabilityFinal);
  expect(last?.top.map(({ probability }) => probability)).toEqual(
    last?.top.map(({ probability }) => probability).sort((a, b) => b - a),
  );
  await close();
});

test('the likeliest tokens, the first of equals first', () => {
  const logits = Float32Array.of(1, 3, 2, 3, -1);
  const chunk = { ids: [0], points: [new Float32Array(1)], logits };
  const ranked = new Lens(5, undefined, 3).figures(chunk).ranked[0] ?? [];
  expect(ranked.map(({ id }) => id)).toEqual([1, 3, 2]);
  expect(ranked[0]?.probability).toBeCloseTo(Math.exp(3) / (Math.E + 2 * Math.exp(3) + Math.exp(2) + Math.exp(-1)), 12);
  expect(new Lens(5, undefined, 9).figures(chunk).ranked[0]).toHaveLength(5);
  expect(new Lens(5).figures(chunk).ranked).toEqual([]);
});

test('the likeliest tokens are those that sorting gives', () => {
  const row = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(row, fc.integer({ min: 1, max: 8 }), (values, count) => {
      const chunk = { ids: [0], points: [new Float32Array(1)], logits: Float32Array.from(values) };
      const sorted = values.map((_, id) => id).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
      const [ranked = []] = new Lens(values.length, undefined, count).figures(chunk).ranked;
      expect(ranked.map(({ id }) => id)).toEqual(sorted.slice(0, count));
    }),
    { seed: 4 },
  );
});

test('logits that are not finite are refused', () => {
  const chunk = { ids: [0], points: [new Float32Array(1)], logits: Float32Array.of(0, Number.NaN, 0, 0) };
  expect(() => new Lens(4).figures(chunk)).toThrow(/not finite/);
});
