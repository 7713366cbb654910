import { expect, test } from 'vitest';
import { depthProfiles } from '../../../src/analyses/lens/over-text.ts';
import { lensSources } from '../../../src/analyses/lens/source.ts';
import { unlikelyTokens } from '../../../src/analyses/unlikely/unlikely.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import { studentQuantile } from '../../../src/scores/statistics.ts';
import { golden, type Inside } from '../../support/goldens.ts';
import { nonEmpty } from '../../support/lists.ts';
import { fixture, pocket } from '../../support/paths.ts';

const { documents, depth, unlikely } = golden<Inside>(fixture('pocket'), 'inside.json');

/** Pocket's BOS is 1. */
const reading = { seed: 0, bosId: 1 };

const original = async () => lensSources(await Checkpoint.open(pocket), documents, { threads: 1 });

test("averages over a text are the reference's, and chance is worse", async () => {
  const { models, close } = await original();
  const { positions, profiles } = await depthProfiles(documents, models, reading);
  expect(positions).toBe(documents.reduce((sum, ids) => sum + ids.length - 1, 0));
  const [profile] = profiles;
  if (!profile) throw new Error('no profile');
  expect(profile.points).toHaveLength(depth.points.length);
  for (const [i, expected] of nonEmpty(depth.points).entries()) {
    const { norm, entropy, kl, probabilityFinal, sameTop, rankFinal, inputTop, rankInput } = profile.points[i] ?? {};
    expect((norm?.median ?? 0) / expected.norm).toBeCloseTo(1, 5);
    expect((norm?.largest ?? 0) / expected.longest).toBeCloseTo(1, 5);
    expect(entropy?.mean).toBeCloseTo(expected.entropy, 4);
    expect(kl?.mean).toBeCloseTo(expected.kl, 4);
    expect(probabilityFinal?.mean).toBeCloseTo(expected.probability_final, 5);
    expect(sameTop?.mean).toBeCloseTo(expected.same_top, 6);
    expect(rankFinal?.mean).toBeCloseTo(expected.rank_final, 1); // of equals in float32, some change places
    expect(inputTop?.mean).toBeCloseTo(expected.input_top, 6);
    expect(rankInput?.mean).toBeCloseTo(expected.rank_input, 1);
  }
  expect(profile.steps).toHaveLength(depth.steps.length);
  for (const [i, expected] of nonEmpty(depth.steps).entries()) {
    const { cosine, kl, cka, shuffled } = profile.steps[i] ?? {};
    expect(cosine?.mean).toBeCloseTo(expected.cosine, 5);
    expect(kl?.mean).toBeCloseTo(expected.kl, 4);
    expect(cka?.mean).toBeCloseTo(expected.cka, 5);
    const half = expected.cka_error * studentQuantile(0.975, documents.length - 1);
    expect(cka?.interval?.[1]).toBeCloseTo(expected.cka + half, 4);
    expect(shuffled?.cosine?.mean).toBeLessThan((cosine?.mean ?? 0) / 2);
    expect(shuffled?.kl?.mean).toBeGreaterThan(kl?.mean ?? 0);
    expect(shuffled?.cka).toBeLessThan(0.15);
  }
  expect(profile.unigram.kl?.mean).toBeCloseTo(depth.unigram.kl, 4);
  expect(profile.unigram.rankFinal?.mean).toBeCloseTo(depth.unigram.rank_final, 3);
  expect(profile.uniform.rank).toBe(512.5);
  await close();
});

test('a variant is held against the original: itself changes nothing, lost heads show from the first block on', async () => {
  const some = documents.slice(0, 2);
  const { models, close } = await lensSources(await Checkpoint.open(pocket), some, {
    recipe: [{ kind: 'zero', heads: ['0.0-3'] }],
    threads: 1,
  });
  const [first, changed] = [itemAt(models, 0), itemAt(models, 1)];
  const { profiles } = await depthProfiles(some, [first, first, changed], reading);
  const means = (i: number) =>
    nonEmpty(profiles[i]?.changes).map(({ kl, cosine, relativeError, sameTop }) =>
      [kl?.mean, cosine?.mean, relativeError?.median, sameTop?.mean].map((each) => each ?? Number.NaN),
    );
  expect(profiles[0]?.changes).toBeUndefined();
  for (const [kl = 1, cosine, error, same] of means(1)) {
    expect(Math.abs(kl)).toBeLessThan(1e-12);
    expect(cosine).toBeCloseTo(1, 12);
    expect([error, same]).toEqual([0, 1]);
  }
  const [embedding = [], after = []] = nonEmpty(means(2));
  expect(embedding[2]).toBe(0);
  expect(after[0]).toBeGreaterThan(0.01);
  expect(after[2]).toBeGreaterThan(0.05);
  await close();
});

test("energies along tokens are the reference's by band, random directions are at chance", async () => {
  const { models, close } = await original();
  const { likelyTokens, points } = await unlikelyTokens(documents, itemAt(models, 0), reading);
  expect(likelyTokens).toBe(unlikely.likely_tokens);
  expect(points).toHaveLength(unlikely.points.length);
  for (const [i, expected] of nonEmpty(unlikely.points).entries()) {
    const { bands = [], random, mixtures } = points[i] ?? {};
    expect(bands).toHaveLength(expected.length);
    for (const [b, theirs] of nonEmpty(expected).entries()) {
      const { pairs, energy, projection, sameTokens } = bands[b] ?? {};
      expect(pairs).toBe(theirs.pairs);
      expect(energy?.mean).toBeCloseTo(theirs.energy, 3);
      expect(projection?.mean).toBeCloseTo(theirs.projection, 4);
      expect(sameTokens?.pairs).toBe(theirs.same_pairs);
      expect(sameTokens?.energy?.mean).toBeCloseTo(theirs.same_energy, 3);
      expect(sameTokens?.whereLikely?.mean).toBeCloseTo(theirs.where_likely, 3);
    }
    // 64 directions in 128 dimensions: the mean of their energies is 1 up to a few percent.
    expect(Math.abs((random?.mean ?? 0) - 1)).toBeLessThan(0.15);
    expect(mixtures?.mean).toBeGreaterThan(0.3);
  }
  await close();
});
