import { afterAll, describe, expect, test } from 'vitest';
import { splitFor } from '../../../src/analyses/probe/baselines.ts';
import { evaluateMaps, vocabularyOf } from '../../../src/analyses/probe/evaluation.ts';
import { fitProbes, type LinearMap, momentsOf, type Probe, splitRows } from '../../../src/analyses/probe/fit.ts';
import type { Evaluation } from '../../../src/analyses/probe/result.ts';
import { embeddingTarget } from '../../../src/analyses/probe/targets.ts';
import { identityMap, meanMap, randomMap } from '../../../src/analyses/probe/untrained-maps.ts';
import type { Positions } from '../../../src/analyses/recorded-residuals.ts';
import { readEmbedding } from '../../../src/analyses/vocabulary.ts';
import { multiply } from '../../../src/linalg/products.ts';
import { gaussian, randomOrthonormal, seededRandom } from '../../../src/linalg/random.ts';
import { largestDifference } from '../../support/goldens.ts';
import { openGoldenProbes, probeGolden, sourceOf } from '../../support/probes.ts';

describe('a map planted in synthetic activations', async () => {
  const [vocab, hidden, rows] = [60, 12, 1500];
  const random = seededRandom(4);
  // Numbers of few digits, so that nothing is rounded where activations become float32.
  const short = (count: number, digits: number) => gaussian(count, random).map((x) => Math.round(x * digits) / digits);
  const embedding = { rows: vocab, cols: hidden, data: Float32Array.from(short(vocab * hidden, 64)) };
  const labels = () => Int32Array.from({ length: rows }, () => Math.floor(random() * vocab));
  const positions: Positions = {
    rows,
    input: labels(),
    previous: labels(),
    document: Int32Array.from({ length: rows }, (_, row) => row % 20),
  };
  // The residual holds the token's embedding, mixed by an invertible matrix and moved far from zero.
  const mixing = { rows: hidden, cols: hidden, data: short(hidden * hidden, 64) };
  const mixed = await multiply({ ...embedding, data: new Float64Array(embedding.data) }, mixing);
  const data = new Float32Array(rows * hidden);
  for (const [row, token] of positions.input.entries())
    for (let j = 0; j < hidden; j++) data[row * hidden + j] = (mixed.data[token * hidden + j] ?? 0) + 50 * (j + 1);
  const source = sourceOf(data, hidden);
  const splits = splitRows(positions, 0);
  const probes = await fitProbes(await momentsOf(source, splits), {
    embedding: embeddingTarget(embedding),
    tokens: true,
  });
  const found = (wanted: Partial<Probe>): Probe => {
    const probe = probes.find((one) =>
      Object.entries(wanted).every(([key, value]) => one[key as keyof Probe] === value),
    );
    if (!probe) throw new Error('no such probe');
    return probe;
  };
  const evaluate = async (probe: Probe, map: LinearMap = probe): Promise<Evaluation> => {
    const { label, split, target, outputs, offset: mean } = probe;
    const evaluated = { map, target, outputs, mean, ...splitFor(splits, label, split) };
    const [evaluation] = await evaluateMaps(source, [evaluated], positions.document, vocabularyOf(embedding));
    if (!evaluation) throw new Error('no evaluation');
    return evaluation;
  };

  test.each(['positions', 'types'] as const)(
    'is recovered to 1e-6, and reads what it never saw, by %s',
    async (split) => {
      const probe = found({ label: 'input', split, target: 'embedding', shuffled: false });
      const back = await multiply(mixing, probe.coefficients); // its inverse: the identity
      // The activations are float32 numbers of some hundreds, so that 1e-6 is about what is left of them.
      expect(largestDifference(back.data, identityMap(hidden, 1).coefficients.data)).toBeLessThan(1e-4);
      const evaluation = await evaluate(probe);
      expect(evaluation.r2.value).toBeGreaterThan(1 - 1e-6);
      expect(evaluation.cosine.value).toBeGreaterThan(1 - 1e-6);
      expect(evaluation.top1.value).toBe(1);
    },
  );

  test('labels exchanged before learning give what the mean gives', async () => {
    const shuffled = await evaluate(found({ label: 'input', shuffled: true }));
    const probe = found({ label: 'input', split: 'positions', target: 'embedding', shuffled: false });
    const mean = await evaluate(probe, meanMap(probe));
    expect(Math.abs(mean.r2.value)).toBeLessThan(1e-9);
    expect(Math.abs(shuffled.r2.value)).toBeLessThan(0.02);
    expect(shuffled.top1.value).toBeLessThan(0.06); // one of 60 tokens: 0.017
    expect(mean.top1.value).toBeLessThan(0.06);
  });

  test('the previous token, which is not there, is not read', async () => {
    const embeddings = await evaluate(
      found({ label: 'previous', split: 'positions', target: 'embedding', shuffled: false }),
    );
    expect(Math.abs(embeddings.r2.value)).toBeLessThan(0.02);
    expect(embeddings.top1.value).toBeLessThan(0.06);
    const tokens = await evaluate(found({ label: 'previous', target: 'token' }));
    expect(tokens.top1.value).toBeLessThan(0.06);
  });

  test('a map of the same size between random directions reads nothing', async () => {
    const probe = found({ label: 'input', split: 'positions', target: 'embedding', shuffled: false });
    const turn = () => randomOrthonormal(hidden, hidden, random);
    const map = await randomMap(probe, await turn(), await turn());
    const norm = (values: Float64Array) => Math.hypot(...values);
    expect(norm(map.coefficients.data)).toBeCloseTo(norm(probe.coefficients.data), 10);
    expect((await evaluate(probe, map)).top1.value).toBeLessThan(0.2);
  });

  test('a token that was never learnt from cannot be read as a token', async () => {
    const { outputs, offset, coefficients, mean } = found({ label: 'input', target: 'token' });
    const [gone = 0, ...others] = outputs;
    const data = coefficients.data.filter((_, i) => i % coefficients.cols > 0);
    const map = { mean, offset: offset.slice(1), coefficients: { rows: hidden, cols: others.length, data } };
    const evaluated = { map, target: 'token', outputs: others, mean: map.offset } as const;
    const { rowSplit } = splitFor(splits, 'input', 'positions');
    const labels = new Int32Array(rows).fill(gone);
    const [evaluation] = await evaluateMaps(
      source,
      [{ ...evaluated, rowSplit, labels }],
      positions.document,
      vocabularyOf(embedding),
    );
    expect(evaluation).toMatchObject({ top1: { value: 0 }, cosine: { value: 0 } });
  });
});

describe('probes of a model are those of the reference in float64', async () => {
  const { checkpoint, activations, positions, rowSplit } = await openGoldenProbes();
  afterAll(() => activations.close());
  const embedding = await readEmbedding(checkpoint);

  test.each(probeGolden.points.map((wanted, point) => ({ point, wanted })))(
    'point $point',
    async ({ point, wanted }) => {
      const source = activations.at(point);
      const sums = await momentsOf(source, [rowSplit]);
      const probes = await fitProbes(sums, { embedding: embeddingTarget(embedding), tokens: true });
      const [input, token, previous] = probes;
      const chosen = [input, token, previous].flatMap((probe) => probe?.relativeLambda ?? []);
      for (const [i, lambda] of chosen.entries()) expect(lambda / (wanted.relative_lambda[i] ?? 0)).toBeCloseTo(1, 6);
      expect(largestDifference(input?.coefficients.data ?? [], wanted.embedding_weights)).toBeLessThan(1e-3);
      const evaluations = await evaluateMaps(
        source,
        [input, token, previous].flatMap((probe) =>
          probe
            ? [
                {
                  map: probe,
                  target: probe.target,
                  outputs: probe.outputs,
                  mean: probe.offset,
                  rowSplit,
                  labels: positions[probe.label],
                },
              ]
            : [],
        ),
        positions.document,
        vocabularyOf(embedding),
      );
      for (const [i, golden] of [wanted.input, wanted.token, wanted.previous].entries()) {
        const { rows, r2, cosine, top1, top5 } = evaluations[i] ?? {};
        expect(rows).toBe(golden.rows);
        for (const [figure, value] of [
          [r2, golden.r2],
          [cosine, golden.cosine],
          [top1, golden.top1],
          [top5, golden.top5],
        ] as const)
          expect(Math.abs((figure?.value ?? Number.NaN) - value)).toBeLessThan(1e-5);
      }
    },
  );
});
