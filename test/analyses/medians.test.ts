import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Medians } from '../../src/analyses/medians.ts';
import { gaussian, seededRandom } from '../../src/linalg/random.ts';
import { golden } from '../support/goldens.ts';
import { hasShared, shared } from '../support/paths.ts';

function medianOf(documents: readonly (readonly number[])[]) {
  const medians = new Medians(documents.length);
  for (const [document, values] of documents.entries()) medians.add('it', document, values);
  return medians.of('it');
}

test('the middle of all values, of an even number between two; none of nothing', () => {
  expect(medianOf([[3, 1], [2]])).toMatchObject({ median: 2, largest: 3 });
  expect(medianOf([[4, 1], [2], [9]])).toMatchObject({ median: 3, largest: 9 });
  expect(medianOf([[5, 5, 5]])).toEqual({ median: 5, interval: null, largest: 5 });
  expect(medianOf([[5], [5, 5]])).toEqual({ median: 5, interval: [5, 5], largest: 5 });
  expect(medianOf([[], []])).toBeNull();
  expect(new Medians(1).of('else')).toBeNull();
});

test('19 of 20 intervals hold the median that the documents were drawn around', () => {
  const random = seededRandom(1);
  let held = 0;
  const draws = 100;
  for (let draw = 0; draw < draws; draw++) {
    // Documents differ, and lengths are skewed: exp of a normal around 0 has the median 1.
    const documents = Array.from(gaussian(12, random), (own) =>
      Array.from(gaussian(20, random), (value) => Math.exp(0.3 * own + value)),
    );
    const [low, high] = medianOf(documents)?.interval ?? [1, 1];
    if (low < 1 && 1 < high) held++;
  }
  expect(held / draws).toBeGreaterThan(0.9);
  expect(held / draws).toBeLessThan(1);
});

interface Outliers {
  readonly outliers: { readonly residualNorms: readonly (readonly number[])[] };
}

/** Norms by transformers of one wikitext paragraph in SmolLM2-135M: the first token is a sink from block 12 on. */
test.skipIf(!hasShared)('the norms of a trained model: the middle is that of the text, the largest is the sink', () => {
  const { outliers } = golden<Outliers>(join(shared, 'goldens/smollm2'), 'transformers.json');
  const late = outliers.residualNorms.slice(12, 28);
  expect(late).toHaveLength(16);
  for (const norms of late) {
    const [sink = 0, ...others] = norms;
    const { median = 0, largest } = medianOf([norms]) ?? {};
    expect(largest).toBe(sink);
    expect(median).toBeLessThan(Math.max(...others));
    expect(median / (medianOf([others])?.median ?? 0)).toBeCloseTo(1, 2);
    const mean = norms.reduce((sum, norm) => sum + norm, 0) / norms.length;
    expect(mean).toBeGreaterThan(1.15 * median);
  }
});
