// One group of one layer: weights → stacked matrix → PCA → rebuilt weights.
import { projectionName } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { SurgeryError } from '../errors.ts';
import { fitPca, type Pca, projectCentred } from '../linalg/pca.ts';
import type { Matrix } from '../linalg/products.ts';
import type { Group } from './groups.ts';

/** The fitted PCA of a group, with what is needed to take the stacked matrix apart again. */
export interface GroupFit {
  readonly pca: Pca;
  readonly members: readonly Member[];
  /** A single projection with more rows than columns is fitted on its transpose. */
  readonly transposed: boolean;
}

interface Member {
  readonly projection: string;
  /** Name of the tensor. */
  readonly name: string;
  /** (out_features, in_features) */
  readonly weight: Matrix;
}

/** What `--mean` says: whether the rebuilt matrix gets its column means back. */
export type MeanRule = 'keep' | 'drop';

/**
 * Fits one PCA to the stacked projections of a group.
 * @throws SurgeryError `numeric`, by tensor name, for NaN or infinity
 */
export async function fitGroup(
  checkpoint: Checkpoint,
  layer: number,
  group: Group,
  components: (explainedVarianceRatio: Float64Array) => number,
): Promise<GroupFit> {
  const members: Member[] = [];
  for (const projection of group.projections) {
    const name = projectionName(layer, projection);
    members.push({ projection, name, weight: await readMatrix(checkpoint, name) });
  }
  const stacked = stack(members.map(({ weight }) => weight));
  const transposed = members.length === 1 && stacked.rows > stacked.cols;
  return { pca: await fitPca(transposed ? transpose(stacked) : stacked, components), members, transposed };
}

/** A projection rebuilt from `rank` components. */
export interface Rebuilt {
  readonly projection: string;
  readonly name: string;
  /** (out_features, in_features), row-major, float64 */
  readonly values: Float64Array;
  /** ‖W − Ŵ‖ / ‖W‖ in Frobenius norm, of the float64 values. */
  readonly relativeError: number;
}

/** `(W − μ) Vᵣ Vᵣᵀ`, with `+ μ` if the mean is kept, for every projection of the group. */
export async function rebuildGroup(
  { pca, members, transposed }: GroupFit,
  rank: number,
  mean: MeanRule,
): Promise<Rebuilt[]> {
  const projected = await projectCentred(pca, rank);
  if (mean === 'keep') addRow(projected, pca.mean);
  const whole = transposed ? transpose(projected) : projected;
  let at = 0;
  return members.map(({ projection, name, weight }) => {
    const values = whole.data.subarray(at, at + weight.data.length);
    at += weight.data.length;
    return { projection, name, values, relativeError: relativeError(weight.data, values) };
  });
}

async function readMatrix(checkpoint: Checkpoint, name: string): Promise<Matrix> {
  const [rows = 0, cols = 0] = checkpoint.tensor(name).shape;
  const data = Float64Array.from(await checkpoint.readFloat32(name));
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const where = `[${Math.floor(bad / cols)}, ${bad % cols}]`;
    throw new SurgeryError('numeric', `tensor ${name} holds ${data[bad]} at ${where}: PCA needs finite weights`);
  }
  return { rows, cols, data };
}

function stack(matrices: readonly Matrix[]): Matrix {
  const rows = matrices.reduce((sum, matrix) => sum + matrix.rows, 0);
  const cols = matrices[0]?.cols ?? 0;
  const data = new Float64Array(rows * cols);
  let at = 0;
  for (const matrix of matrices) {
    data.set(matrix.data, at);
    at += matrix.data.length;
  }
  return { rows, cols, data };
}

function transpose({ rows, cols, data }: Matrix): Matrix {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = data[i * cols + j] ?? 0;
  return { rows: cols, cols: rows, data: out };
}

function addRow({ rows, cols, data }: Matrix, row: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) data[i * cols + j] = (data[i * cols + j] ?? 0) + (row[j] ?? 0);
  }
}

function relativeError(weight: Float64Array, rebuilt: Float64Array): number {
  let error = 0;
  let norm = 0;
  for (let i = 0; i < weight.length; i++) {
    const value = weight[i] ?? 0;
    error += (value - (rebuilt[i] ?? 0)) ** 2;
    norm += value ** 2;
  }
  return norm > 0 ? Math.sqrt(error / norm) : 0;
}
