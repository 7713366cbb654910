import { expect, test } from 'vitest';
import { residuals } from '../../src/analyses/residual-stream.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { largestDifference } from '../support/goldens.ts';
import { pocket } from '../support/paths.ts';

const long = Array.from({ length: 150 }, (_, i) => (i === 0 ? 1 : 300 + ((i * 37) % 700)));

test('documents come in chunks, at every point, the same as one token after the other', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const { hiddenSize, layers } = checkpoint.config;
  const runtime = await Runtime.open(checkpoint, { taps: true, sublayers: true, threads: 1 });
  expect(runtime.taps.map(({ name }) => name).slice(0, 4)).toEqual(['embed', '0 attn', '0', '1 attn']);
  const seen: number[][] = [];
  const done: number[] = [];
  let last: readonly Float32Array[] = [];
  for await (const { document, start, ids, points } of residuals([[1, 500, 7], long], { runtime }, (n) =>
    done.push(n),
  )) {
    seen.push([document, start, ids.length, points.length, (points[0]?.length ?? 0) / hiddenSize]);
    last = points.map((point) => point.slice(-hiddenSize));
  }
  expect(seen).toEqual([
    [0, 0, 3, 2 * layers + 1, 3],
    [1, 0, 128, 2 * layers + 1, 128],
    [1, 128, 22, 2 * layers + 1, 22],
  ]);
  expect(done).toEqual([3, 131, 153]);
  const single = runtime.sequence(long.length);
  for (const id of long) await single.readToEnd([id]);
  for (const [point, row] of last.entries())
    expect(largestDifference(row, single.residuals[point] ?? [])).toBeLessThan(1e-4);
  await runtime.close();
});

test('a runtime without taps has none', async () => {
  const runtime = await Runtime.open(await Checkpoint.open(pocket), { threads: 1 });
  await expect(residuals([[1]], { runtime }).next()).rejects.toThrow(RangeError);
  await runtime.close();
});
