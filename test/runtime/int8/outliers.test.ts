import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { embedName, inputNormName, postNormName, projectionName } from '../../../src/checkpoint/names.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { findOutliers } from '../../../src/runtime/int8/outliers.ts';
import { Runtime } from '../../../src/runtime/session.ts';
import { scoreDocuments } from '../../../src/scores/likelihood.ts';
import { makeModel } from '../../support/models.ts';
import { temporaryFolder } from '../../support/paths.ts';

const layers = 3;
const planted = [5, 77, 200];
const sizes = {
  hidden_size: 256,
  intermediate_size: 512,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
};

/** A random model whose norms make some coordinates a hundred times as large as the rest, as trained models have them. */
async function withOutliers(): Promise<Checkpoint> {
  const config = { ...sizes, num_hidden_layers: layers, tie_word_embeddings: true };
  const folder = makeModel(join(temporaryFolder(), 'outliers'), config);
  const file = join(folder, 'model.safetensors');
  const checkpoint = await Checkpoint.open(folder);
  const bytes = readFileSync(file);
  for (let layer = 0; layer < layers; layer++)
    for (const name of [inputNormName(layer), postNormName(layer)])
      for (const place of planted) bytes.writeFloatLE(100, checkpoint.tensor(name).begin + 4 * place);
  writeFileSync(file, bytes);
  return Checkpoint.open(folder);
}

test('a model with outlier coordinates loses little in 8 bits', async () => {
  const checkpoint = await withOutliers();
  const outliers = await findOutliers(checkpoint, embedName);
  for (const p of ['q', 'k', 'v', 'gate', 'up'] as const)
    expect(outliers.get(projectionName(1, p))).toEqual(expect.arrayContaining(planted));
  const documents = [0, 1].map((document) => Array.from({ length: 24 }, (_, i) => (i * 13 + document * 7 + 3) % 90));
  const exact = await Runtime.open(checkpoint, { threads: 1 });
  const rounded = await Runtime.open(checkpoint, { precision: 'int8', threads: 1 });
  const { variants } = await scoreDocuments(documents, { runtime: exact }, [{ runtime: rounded }]);
  await exact.close();
  await rounded.close();
  // 0.164 with one scale for each token's whole row.
  expect(variants[0]?.kl).toBeLessThan(0.02);
});
