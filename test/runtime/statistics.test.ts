// Statistics of activations are sums over what a visitor of the walk sees, here added up one position after the other.
import { expect, test } from 'vitest';
import type { Activation } from '../../src/checkpoint/names.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { itemAt } from '../../src/platform/indexing.ts';
import { type LayerStatistics, type StatisticsRequest, statisticsVisitor } from '../../src/runtime/statistics.ts';
import type { RowBatch } from '../../src/runtime/walk/batches.ts';
import type { WalkVariant } from '../../src/runtime/walk/steps.ts';
import { Walk } from '../../src/runtime/walk/walk.ts';
import { fixture, pocket } from '../support/paths.ts';

const documents = [
  [1, 5, 9, 22, 7, 3],
  [1, 3],
  [1, 40, 2, 30, 6, 7, 8, 11, 12],
];

interface Seen {
  readonly rows: Map<Activation, number[][]>;
  readonly cosines: number[];
}

/** Rows of every activation of a layer of the original, each document alone, without the first if so asked. */
async function direct(checkpoint: Checkpoint, layer: number, withoutFirst: boolean, batchRows: number): Promise<Seen> {
  const seen: Seen = { rows: new Map(), cosines: [] };
  const rowsOf = (values: Float32Array, { rows, pieces }: RowBatch) =>
    Array.from({ length: rows }, (_, i) => [
      ...values.subarray((i * values.length) / rows, ((i + 1) * values.length) / rows),
    ]).slice(withoutFirst && itemAt(pieces, 0).from === 0 ? 1 : 0);
  for (const ids of documents) {
    const walk = new Walk(checkpoint, [ids], { threads: 1, batchRows });
    await walk.run([], {
      activations: () => ['qkv', 'o', 'gateup', 'down'],
      visitBlock: (block) => {
        if (block.layer !== layer) return;
        for (const [name, values] of block.activations)
          seen.rows.set(name, [...(seen.rows.get(name) ?? []), ...rowsOf(values, block.batch)]);
        const after = rowsOf(block.output, block.batch);
        for (const [i, x] of rowsOf(block.input, block.batch).entries()) {
          const y = itemAt(after, i);
          const dot = (a: number[], b: number[]) => a.reduce((sum, value, j) => sum + value * itemAt(b, j), 0);
          seen.cosines.push(dot(x, y) / Math.sqrt(dot(x, x)) / Math.sqrt(dot(y, y)));
        }
      },
    });
    await walk.close();
  }
  return seen;
}

async function gathered(
  checkpoint: Checkpoint,
  request: StatisticsRequest,
  { batchRows = 1024, variants = [] }: { batchRows?: number; variants?: readonly WalkVariant[] } = {},
) {
  const walk = new Walk(checkpoint, documents, { threads: 1, batchRows });
  const all: LayerStatistics[] = [];
  await walk.run(
    variants,
    statisticsVisitor(walk, (statistics) => void all.push(statistics), request),
  );
  await walk.close();
  return all;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test.each([
  [false, 1024],
  [true, 1024],
  [true, 4],
])(
  'second moments, means, extremes, cosines; without first positions: %s; %i rows together',
  async (withoutFirst, batchRows) => {
    const checkpoint = await Checkpoint.open(fixture('gqa-headdim-llama3-bf16-sharded'));
    const [found, ...more] = await gathered(checkpoint, { layers: [1], withoutFirst }, { batchRows });
    const expected = await direct(checkpoint, 1, withoutFirst, batchRows);
    expect(more).toEqual([]);
    expect([found?.layer, found?.model, found?.positions]).toEqual([1, 0, expected.cosines.length]);
    expect(found?.cosine).toBeCloseTo(mean(expected.cosines), 6);
    expect([...(found?.activations.keys() ?? [])]).toEqual([...expected.rows.keys()]);
    for (const [name, rows] of expected.rows) {
      const statistics = found?.activations.get(name);
      const width = itemAt(rows, 0).length;
      const columns = Array.from({ length: width }, (_, i) => rows.map((row) => itemAt(row, i)));
      const close = (values: ArrayLike<number> | undefined, exact: number[]) =>
        expect(Array.from(values ?? [])).toEqual(exact.map((value) => expect.closeTo(value, 5)));
      close(statistics?.mean, columns.map(mean));
      close(
        statistics?.meanAbsolute,
        columns.map((column) => mean(column.map(Math.abs))),
      );
      close(
        statistics?.largest,
        columns.map((column) => Math.max(...column.map(Math.abs))),
      );
      expect(statistics?.secondMoment).toMatchObject({ rows: width, cols: width });
      close(
        statistics?.secondMoment?.data,
        columns.flatMap((x) => columns.map((y) => x.reduce((sum, value, i) => sum + value * itemAt(y, i), 0))),
      );
    }
  },
);

test('second moments of several panels are exact products, summed in float64', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const rows: number[][] = [];
  const walk = new Walk(checkpoint, documents, { threads: 1 });
  const all: LayerStatistics[] = [];
  const visitor = statisticsVisitor(walk, (statistics) => void all.push(statistics), {
    layers: [2],
    activations: ['down'],
  });
  await walk.run([], {
    ...visitor,
    visitBlock: async (block) => {
      const down = block.activations.get('down');
      const width = checkpoint.config.intermediateSize;
      for (let i = 0; down && i < walk.rows; i++) rows.push([...down.subarray(i * width, (i + 1) * width)]);
      await visitor.visitBlock(block);
    },
  });
  await walk.close();
  const moment = all[0]?.activations.get('down')?.secondMoment;
  const width = itemAt(rows, 0).length;
  expect(width).toBeGreaterThan(256);
  let [largest, error] = [0, 0];
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < width; j++) {
      const products = rows.map((row) => itemAt(row, i) * itemAt(row, j));
      const exact = products.reduce((sum, product) => sum + product, 0);
      const size = products.reduce((sum, product) => sum + Math.abs(product), 1e-300);
      largest = Math.max(largest, size);
      error = Math.max(error, Math.abs(itemAt(moment?.data ?? [], i * width + j) - exact) / size);
    }
  }
  expect(largest).toBeGreaterThan(0);
  expect(error).toBeLessThan(rows.length * 2 ** -52);
});

test('every layer of the original, a variant from its first on; without second moments none is held', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const variant: WalkVariant = { from: 4, edit: async () => new Map() };
  const all = await gathered(checkpoint, { secondMoments: false, activations: ['o'] }, { variants: [variant] });
  expect(all.map(({ layer, model }) => `${layer}.${model}`)).toEqual([
    '0.0',
    '1.0',
    '2.0',
    '3.0',
    '4.1',
    '4.0',
    '5.1',
    '5.0',
  ]);
  expect(all.flatMap(({ activations }) => [...activations.values()].map((one) => Object.keys(one)))).toEqual(
    all.map(() => ['mean', 'meanAbsolute', 'largest']),
  );
});

test('activations that are not finite are refused by name', async () => {
  const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
  const name = 'model.layers.0.mlp.up_proj.weight';
  const values = (await checkpoint.readFloat32(name)).fill(Number.POSITIVE_INFINITY);
  const variant: WalkVariant = { from: 0, edit: async (layer) => new Map(layer === 0 ? [[name, values]] : []) };
  await expect(gathered(checkpoint, {}, { variants: [variant] })).rejects.toThrow(
    /^layer 0: the input of down has values that are not finite numbers$/,
  );
});
