import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { int8Cost } from '../../src/scores/int8-cost.ts';
import { pocket, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const { SURGERY_CACHE } = process.env;
afterEach(() => {
  process.env.SURGERY_CACHE = SURGERY_CACHE;
});

test('what int8 costs is measured once, and again where the cache is damaged', async () => {
  process.env.SURGERY_CACHE = tmp;
  const checkpoint = await Checkpoint.open(pocket);
  const measure = await int8Cost(checkpoint, { threads: 1 });
  if (typeof measure !== 'function') throw new Error('nothing was measured yet');
  const seen: number[] = [];
  const cost = await measure((done, total) => seen.push(done / total));
  expect(seen).toHaveLength(2 * checkpoint.config.layers);
  expect(seen.at(-1)).toBe(1);
  expect(cost.kl).toBeGreaterThan(1e-5);
  expect(cost.kl).toBeLessThan(0.006);
  expect(cost.sameTop).toBeGreaterThan(0.95);
  expect(cost.perplexity.int8 / cost.perplexity.fp32).toBeCloseTo(1, 2);
  expect(await int8Cost(checkpoint)).toEqual(cost);
  const folder = join(tmp, 'int8-cost');
  const [file = ''] = readdirSync(folder);
  for (const damage of ['{', '{"kl":0}']) {
    writeFileSync(join(folder, file), damage);
    expect(await int8Cost(checkpoint)).toBeTypeOf('function');
  }
});
