// Weights in 8 bits that are fed at every run.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { type Activation, activations, blockTensors, projectionName } from '../../checkpoint/names.ts';
import { int8Part, type WeightSource } from '../../graph/linear.ts';
import { entryOf, itemAt } from '../../platform/indexing.ts';
import { Tensor } from '../../platform/onnxruntime.ts';
import { type Integers, restOf, takeColumns } from './quantise.ts';
import { readers } from './sample.ts';

/** A matrix in 8 bits. */
export interface Int8Matrix extends Integers {
  /** Columns of the outliers, (outliers, rows). */
  readonly columns: Float32Array;
  /** The outliers, of the first matrix that reads an activation. */
  readonly places?: readonly number[];
}

/** What a weight is computed with. */
export type Fed = Float32Array | Int8Matrix;

/** @param shape of the weight in the checkpoint */
export function sourceOf(shape: readonly number[], fed: Fed): WeightSource {
  if (fed instanceof Float32Array) return { kind: 'input', shape };
  return {
    kind: 'int8',
    shape,
    integers: 'fed',
    unsigned: fed.integers instanceof Uint8Array,
    scales: 'fed',
    outliers: { count: fed.columns.length / fed.scales.length, places: 'fed', rest: 'fed', columns: 'fed' },
  };
}

/** @param name of the weight in the graph */
export function feedsOf(name: string, shape: readonly number[], fed: Fed): Record<string, Tensor> {
  if (fed instanceof Float32Array) return { [name]: new Tensor('float32', fed, [...shape]) };
  const { integers, scales, columns, places } = fed;
  const [rows = 0, cols = 0] = shape;
  const turned = [cols, rows];
  return {
    [int8Part(name, 'integers')]:
      integers instanceof Uint8Array ? new Tensor('uint8', integers, turned) : new Tensor('int8', integers, turned),
    [int8Part(name, 'scales')]: new Tensor('float32', scales, [rows]),
    [int8Part(name, 'outliers')]: new Tensor('float32', columns, [columns.length / rows, rows]),
    ...(places && {
      [int8Part(name, 'places')]: new Tensor('int64', BigInt64Array.from(places, BigInt), [places.length]),
      [int8Part(name, 'rest')]: new Tensor('float32', restOf(places, cols), [cols]),
    }),
  };
}

/** Names of a block's matrices that are put into 8 bits. */
export function matricesOf(layer: number): string[] {
  return activations.flatMap((activation) => readers[activation].map((p) => projectionName(layer, p)));
}

/**
 * A block in 8 bits. Its other tensors are copied.
 * @param weights of a layer in float32
 * @param integers of its matrices
 * @param outliers of what they read
 */
export function blockInInt8(
  config: LlamaConfig,
  layer: number,
  weights: ReadonlyMap<string, Float32Array>,
  integers: ReadonlyMap<string, Integers>,
  outliers: ReadonlyMap<Activation, readonly number[]>,
): Map<string, Fed> {
  const shapes = new Map(Array.from(blockTensors(config, layer), ({ name, shape }) => [name, shape]));
  const block = new Map<string, Fed>([...weights].map(([name, values]) => [name, values]));
  for (const activation of activations) {
    const places = entryOf(outliers, activation);
    for (const [i, projection] of readers[activation].entries()) {
      const name = projectionName(layer, projection);
      const shape = entryOf(shapes, name);
      const [rows, cols] = [itemAt(shape, 0), itemAt(shape, 1)];
      const columns = new Float32Array(places.length * rows);
      takeColumns(columns, places, { values: entryOf(weights, name), rows, cols });
      block.set(name, { ...entryOf(integers, name), columns, ...(i === 0 && { places }) });
    }
  }
  for (const [name, fed] of block) if (fed instanceof Float32Array) block.set(name, fed.slice());
  return block;
}
