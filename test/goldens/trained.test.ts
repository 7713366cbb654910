// Trained models against the float64 reference: pocket always, stories260k where the workshop's folder is.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { generate } from '../../src/generate/generate.ts';
import { argmax, greedy } from '../../src/generate/sampling.ts';
import { Operator } from '../../src/operations/operator.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { Walk } from '../../src/runtime/walk/walk.ts';
import { scoreDocuments } from '../../src/scores/likelihood.ts';
import { encodeTasks, scoreChoices } from '../../src/scores/tasks.ts';
import { taskTrees, walkedChoices } from '../../src/scores/walked-tasks.ts';
import { readDocuments, readTasks } from '../../src/text/documents.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { attentionWeights } from '../support/attention-weights.ts';
import {
  asGolden,
  type Forward,
  type Greedy,
  golden,
  largestDifference,
  type PcaRow,
  rowNorms,
  type Scores,
} from '../support/goldens.ts';
import { needs, noShared } from '../support/needs.ts';
import { applyPca } from '../support/operations.ts';
import { fixture, hasShared, pocket, shared, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

const models = [
  {
    name: 'pocket',
    model: pocket,
    goldens: fixture('pocket'),
    text: join(pocket, 'valid.txt'),
    present: true,
    operations: 30,
    isScored: true,
  },
  {
    name: 'stories260k',
    model: join(shared, 'models/stories260k'),
    goldens: join(shared, 'goldens/stories260k'),
    text: join(shared, 'text/tinystories-60.json'),
    present: hasShared,
    operations: 48,
    isScored: false,
  },
];

describe.each(models)('$name', ({ model, goldens, text, present, operations, isScored, name }) => {
  describe('with its goldens', needs(present, noShared), () => {
    let checkpoint: Checkpoint;
    let tokenizer: Tokenizer;
    let runtime: Runtime;
    beforeAll(async () => {
      checkpoint = await Checkpoint.open(model);
      tokenizer = await Tokenizer.open(checkpoint);
      runtime = await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint), taps: true, threads: 1 });
    });
    afterAll(() => runtime.close());

    test('token ids are equal', () => {
      const rows = golden<{ text: string; ids: number[] }[]>(goldens, 'tokens.json');
      expect(rows.length).toBeGreaterThan(8);
      for (const { text, ids } of rows) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
    });

    test('last logits within 2e-4, residual norms within 1e-5 of their size', async () => {
      for (const { ids, last_logits, residual_norms } of golden<Forward[]>(goldens, 'forward.json')) {
        const sequence = runtime.sequence(ids.length);
        const logits = await sequence.readToEnd(ids);
        expect(largestDifference(logits, last_logits)).toBeLessThan(2e-4);
        for (const [point, norms] of residual_norms.entries()) {
          const ours = rowNorms(sequence.residuals[point] ?? new Float32Array(0), checkpoint.config.hiddenSize);
          expect(
            largestDifference(
              ours.map((norm, i) => norm / (norms[i] ?? 0)),
              norms.map(() => 1),
            ),
          ).toBeLessThan(1e-5);
        }
      }
    });

    test("the lens's first token is equal at every point and position, its last logits are the model's", async () => {
      const { vocabSize, layers } = checkpoint.config;
      for (const { ids, lens_top1, last_logits } of golden<Forward[]>(goldens, 'forward.json')) {
        const { value } = await runtime.sequence(ids.length).readLens(ids).next();
        const logits: Float32Array = value?.logits;
        const row = (i: number) => logits.subarray(i * vocabSize, (i + 1) * vocabSize);
        expect(lens_top1).toHaveLength(layers + 1);
        expect(lens_top1.map((of, point) => of.map((_, i) => argmax(row(point * ids.length + i))))).toEqual(lens_top1);
        expect(largestDifference(logits.subarray(-vocabSize), last_logits)).toBeLessThan(2e-4);
      }
    });

    test('greedy text is equal', async () => {
      const rows = golden<Greedy[]>(goldens, 'greedy.json');
      expect(rows).toHaveLength(4);
      for (const { prompt, max_new_tokens: maxNewTokens, ids, text } of rows) {
        const made = await generate(runtime, tokenizer.encode(prompt), {
          sampling: greedy,
          maxNewTokens,
          seed: 0,
          stopIds: checkpoint.config.eosIds,
        });
        expect(made.ids).toEqual(ids);
        expect(tokenizer.decode(made.ids)).toBe(text);
      }
    });

    test('PCA ranks of all operations are equal, and all scores in their bounds', async () => {
      const pca = golden<PcaRow[]>(goldens, 'pca.json');
      const scores = golden<Scores>(goldens, 'scores.json');
      expect(pca).toHaveLength(operations);
      const operator = new Operator(checkpoint);
      const variants = [];
      for (const row of pca) {
        const { mode, variance, mean } = row;
        const { tensors, layers } = await applyPca(operator, { mode, variance, mean });
        const ours = asGolden(layers);
        for (const [i, expected] of row.layers.entries()) {
          for (const [group, values] of Object.entries(expected)) {
            if (group === 'layer') continue;
            const found = ours[i]?.[group] ?? {};
            expect([found.rank, found.of], `${row.mode} ${row.variance} layer ${i} ${group}`).toEqual([
              values.rank,
              values.of,
            ]);
            for (const [key, value] of Object.entries(values))
              expect(found[key], `${group} ${key}`).toBeCloseTo(value, 6);
          }
        }
        variants.push({ runtime, weights: runtime.variant(tensors) });
      }
      if (!isScored) return; // its scores come out of a sweep: test/e2e/sweep.test.ts
      const documents = (await readDocuments(text))
        .slice(0, scores.documents)
        .map((one) => tokenizer.encode(one).slice(0, scores.max_tokens));
      const ours = await scoreDocuments(documents, { runtime }, variants);
      expect(ours.tokens).toBe(scores.baseline.tokens);
      expect(ours.original.perplexity / scores.baseline.perplexity).toBeCloseTo(1, 5);
      const off = scores.operated.map(({ mode, variance, mean, perplexity, kl, same_top }, i) => {
        const found = ours.variants[i];
        return {
          operation: `${mode} ${variance} ${mean}`,
          perplexity: Math.abs((found?.perplexity ?? 0) / perplexity - 1),
          kl: Math.abs((found?.kl ?? 0) / kl - 1),
          sameTop: Math.abs((found?.sameTop ?? 0) - same_top),
        };
      });
      const worst = (key: 'perplexity' | 'kl' | 'sameTop') => Math.max(...off.map((row) => row[key]));
      console.log(
        `${name}: largest deviation of ${operations} operations: perplexity ${worst('perplexity').toExponential(1)}, KL ${worst('kl').toExponential(1)}, same top ${worst('sameTop').toExponential(1)}`,
      );
      expect(off.filter(({ perplexity, kl, sameTop }) => !(perplexity < 1e-3 && kl < 1e-2 && sameTop < 1e-3))).toEqual(
        [],
      );
    }, 280_000);
  });
});

test.skipIf(!hasShared)(
  "stories260k with two rope keys: a rope_scaling wins over rope_parameters, nll is transformers'",
  async () => {
    const rope_parameters = { rope_type: 'default', rope_theta: 10000 };
    const scaled = { rope_scaling: { type: 'linear', factor: 2 }, rope_parameters };
    const folder = copyModel(join(shared, 'models/stories260k'), join(temporaryFolder(), 'scaled'), {
      'config.json': merge(scaled),
    });
    const checkpoint = await Checkpoint.open(folder);
    const tokenizer = await Tokenizer.open(checkpoint);
    const texts = (await readDocuments(join(shared, 'text/tinystories-60.json'))).slice(0, 8);
    const documents = tokenizer.encodeAll(texts).map((ids) => ids.slice(0, checkpoint.config.contextLength));
    const runtime = await Runtime.open(checkpoint, { threads: 1 });
    const scores = await scoreDocuments(documents, { runtime }, []);
    await runtime.close();
    expect(scores.tokens).toBe(2721);
    expect(scores.original.nll).toBeCloseTo(2.4929141254, 6); // by transformers 5.24 in float64
  },
);

test("pocket: every choice of 40 questions has the reference's log-probability", async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const tokenizer = await Tokenizer.open(checkpoint);
  const runtime = await Runtime.open(checkpoint, { threads: 1 });
  const { rows } = golden<{ rows: { log_probabilities: number[]; predicted: number }[] }>(
    fixture('pocket'),
    'tasks.json',
  );
  const tasks = await readTasks(join(pocket, 'tasks.jsonl'));
  expect(rows).toHaveLength(40);
  const questions = await encodeTasks(tasks.slice(0, 40), 'tasks.jsonl', tokenizer, checkpoint.config.contextLength);
  for (const [i, { log_probabilities, predicted }] of rows.entries()) {
    const question = questions[i];
    if (!question) throw new Error(`no question ${i}`);
    const ours = await scoreChoices(question, { runtime });
    expect(largestDifference(ours, log_probabilities)).toBeLessThan(1e-3);
    expect(ours.indexOf(Math.max(...ours))).toBe(predicted);
  }
  await runtime.close();
  const walk = new Walk(checkpoint, [], { threads: 1, trees: taskTrees(questions) });
  const { original } = await walk.run([]);
  const walked = await walkedChoices(walk, original, await walk.unembedding(), questions);
  for (const [i, { log_probabilities, predicted }] of rows.entries()) {
    const ours = walked[i] ?? [];
    expect(largestDifference(ours, log_probabilities)).toBeLessThan(1e-4);
    expect(ours.indexOf(Math.max(...ours))).toBe(predicted);
  }
  await walk.close();
});
