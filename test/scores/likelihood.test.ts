import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { seededRandom } from '../../src/linalg/random.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { scoreDocuments } from '../../src/scores/likelihood.ts';
import { describeRow, klDivergence, logSumExp } from '../../src/scores/logits.ts';
import { attentionWeights } from '../support/attention-weights.ts';
import { operatePca } from '../support/operations.ts';
import { fixture } from '../support/paths.ts';

test('logSumExp does not overflow, and is exact where the result is known', () => {
  expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.log(2), 12);
  expect(logSumExp(Float32Array.of(-1000, -1000, -1000))).toBeCloseTo(-1000 + Math.log(3), 12);
});

test('rows of any length are as plain float64 arithmetic has them', () => {
  const random = seededRandom(7);
  for (const length of [1, 2, 3, 4, 5, 63, 512, 32_001]) {
    const row = () => Float32Array.from({ length }, () => (random() - 0.5) * 60);
    const [p, q] = [row(), row()];
    const plain = (x: Float32Array) => Math.log(x.reduce((sum, value) => sum + Math.exp(value), 0));
    const { top, logSum } = describeRow(p);
    expect(top).toBe(p.indexOf(Math.max(...p)));
    expect(logSum).toBeCloseTo(plain(p), 12);
    const [ofP, ofQ] = [plain(p), plain(q)];
    const kl = p.reduce((sum, a, i) => sum + Math.exp(a - ofP) * (a - ofP - ((q[i] ?? 0) - ofQ)), 0);
    expect(klDivergence(p, logSum, q, logSumExp(q)) / Math.max(kl, 1)).toBeCloseTo(kl / Math.max(kl, 1), 12);
  }
  expect(describeRow(Float32Array.of(0, Number.NaN, 1)).logSum).toBeNaN();
  expect(describeRow(Float32Array.of(1, 3, 3)).top).toBe(1);
});

test('KL of two coins', () => {
  const [p, q] = [Float32Array.from([0.75, 0.25], Math.log), Float32Array.from([0.5, 0.5], Math.log)];
  expect(klDivergence(p, logSumExp(p), q, logSumExp(q))).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 6);
  expect(klDivergence(p, logSumExp(p), p, logSumExp(p))).toBe(0);
});

describe('documents', () => {
  const documents = [[1, 24, 70, 3, 24], [1, 27, 25, 44, 15, 25, 43, 24, 6], [1]];
  const open = async () => {
    const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
    return {
      checkpoint,
      runtime: await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint), threads: 1 }),
    };
  };

  test('the mean is over tokens, not documents, and a lone BOS adds none', async () => {
    const { runtime } = await open();
    const whole = await scoreDocuments(documents, { runtime });
    const parts = await Promise.all(documents.slice(0, 2).map((document) => scoreDocuments([document], { runtime })));
    expect(whole.tokens).toBe(12);
    expect(whole.original.nll).toBeCloseTo(
      parts.reduce((sum, { tokens, original }) => sum + tokens * original.nll, 0) / 12,
      12,
    );
    expect(whole.original.perplexity).toBe(Math.exp(whole.original.nll));
  });

  test('the original against itself is exactly nothing', async () => {
    const { runtime } = await open();
    const { original, variants } = await scoreDocuments(documents, { runtime }, [{ runtime }]);
    expect(variants).toMatchObject([
      {
        ...original,
        kl: 0,
        sameTop: 1,
        deltaNll: 0,
        intervals: { deltaNll: [0, 0], kl: [0, 0] },
        klQuantiles: { median: 0, p99: 0, p999: 0, max: 0 },
        deltaP: { mean: 0, rms: 0 },
      },
    ]);
  });

  test('variants scored together are scored as alone, and progress reaches the end', async () => {
    const { checkpoint, runtime } = await open();
    const models = [];
    for (const variance of [0.9, 0.3]) {
      const { tensors } = await operatePca(checkpoint, { mode: 'shared-kv', variance, mean: 'keep' });
      models.push({ runtime, weights: runtime.variant(tensors) });
    }
    const seen: number[] = [];
    const together = await scoreDocuments(documents, { runtime }, models, (done, total) => seen.push(done / total));
    for (const [i, model] of models.entries()) {
      expect((await scoreDocuments(documents, { runtime }, [model])).variants[0]).toEqual(together.variants[i]);
    }
    expect(together.variants[0]?.kl).toBeLessThan(together.variants[1]?.kl ?? 0);
    expect(seen.at(-1)).toBe(1);
  });
});
