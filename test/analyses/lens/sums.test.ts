// What is summed over a text where one position is an attention sink: a thousand times as long as any other.
import { expect, test } from 'vitest';
import { Lens } from '../../../src/analyses/lens/lens.ts';
import type { DepthProfile } from '../../../src/analyses/lens/result.ts';
import { LensAverages } from '../../../src/analyses/lens/sums.ts';
import { derangement, PositionSample } from '../../../src/analyses/similarity.ts';
import { gaussian, seededRandom } from '../../../src/linalg/random.ts';
import type { LensChunk } from '../../../src/runtime/sequence.ts';

const [documents, tokens, hidden, vocab, epsilon] = [6, 10, 8, 3, 1e-5];

/** Two points that have nothing in common, and a variant; `length` is that of the first position of the first document. */
async function profiles(length: number, lengthInVariant = length): Promise<readonly DepthProfile[]> {
  const random = seededRandom(0);
  const counts = Array<number>(documents).fill(tokens);
  const tallies = [0, 1].map(() => {
    const sample = new PositionSample(counts, 1000, 2, hidden, random);
    return new LensAverages(documents, ['embed', '0'], new Lens(vocab), sample, epsilon);
  });
  for (let document = 0; document < documents; document++) {
    const points = [0, 1].map(() => Float32Array.from(gaussian(tokens * hidden, random)));
    const chunk = (scale: number): LensChunk => ({
      ids: Array<number>(tokens).fill(0),
      points: points.map((rows) => rows.map((value, at) => (document === 0 && at < hidden ? scale * value : value))),
      logits: new Float32Array(2 * tokens * vocab),
    });
    const chunks = [chunk(length), chunk(lengthInVariant)];
    const place = { document, from: 0, first: 0 };
    const partners = derangement(tokens, random);
    const figures = chunks.map((one, i) => tallies[i]?.add(one, place, partners));
    tallies[1]?.compare([chunks[0], figures[0]], [chunks[1], figures[1]], place);
  }
  return Promise.all(tallies.map((averages) => averages.profile(0)));
}

test('a sink changes neither CKA nor the middle of the norms, and shows in their largest', async () => {
  const [[plain], [sunk]] = [await profiles(1), await profiles(1000)];
  const [step, sunkStep] = [plain?.steps[0], sunk?.steps[0]];
  expect(sunkStep?.cka.mean).toBeCloseTo(step?.cka.mean ?? Number.NaN, 4);
  expect(sunkStep?.cka.mean).toBeLessThan(0.3); // 0.999 where positions weigh as their length
  expect(sunkStep?.cka.interval?.[1]).toBeCloseTo(step?.cka.interval?.[1] ?? Number.NaN, 4);
  expect(sunkStep?.shuffled.cka).toBeCloseTo(step?.shuffled.cka ?? Number.NaN, 4);
  expect(sunkStep?.cosine?.mean).toBeCloseTo(step?.cosine?.mean ?? Number.NaN, 6);
  for (const [i, { norm }] of (sunk?.points ?? []).entries()) {
    expect((norm?.median ?? 0) / (plain?.points[i]?.norm?.median ?? 0)).toBeCloseTo(1, 1); // 8 times in the mean
    expect(norm?.largest).toBeGreaterThan(300 * (norm?.median ?? 0));
  }
});

test('a sink that only the variant has is not the difference of all positions', async () => {
  const [, variant] = await profiles(1, 1000);
  for (const { relativeError, cosine } of variant?.changes ?? []) {
    expect(relativeError).toMatchObject({ median: 0, interval: [0, 0] }); // 16.65 in the mean
    expect(relativeError?.largest).toBeCloseTo(999, 2);
    expect(cosine?.mean).toBeCloseTo(1, 6);
  }
});
