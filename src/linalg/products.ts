// Dense matrix products through onnxruntime, the one file of linalg that uses it.
// Each product is a one-node ONNX graph (Gemm or MatMul). Data are neither copied on the way in nor, where an output
// is given, on the way out; views into WebAssembly memory serve as well. Measured on one AVX-512 core: 40 GFLOP/s in
// float64, 75 in float32, 20 µs a call. `run` computes on the calling thread before its promise resolves.
import onnxProto from 'onnx-proto';
import { type Allowed, aFlag, isPlainObject, requireArgument, requireOptions } from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import { getOrMake } from '../platform/indexing.ts';
import { openSession, type Session, Tensor } from '../platform/onnxruntime.ts';

/** float32 or float64 numbers of a matrix. */
export type Numbers = Float32Array | Float64Array;

/** A dense matrix, row-major: `data` has rows · cols entries. */
export interface Matrix<T extends Numbers = Float64Array> {
  readonly rows: number;
  readonly cols: number;
  readonly data: T;
}

/** A product's sides as they are or transposed. */
export interface Transposes {
  transposeA?: boolean;
  transposeB?: boolean;
}

/** Result ← alpha · A B + result (with `accumulate`), else alpha · A B. */
export interface Scaling {
  alpha?: number;
  accumulate?: boolean;
}

const aMatrix: Allowed = {
  words: '{rows, cols, data} with data a Float32Array or Float64Array',
  test: (value) => isPlainObject(value) && (value.data instanceof Float32Array || value.data instanceof Float64Array),
};

const { onnx } = onnxProto;
const sessions = new Map<string, Promise<Session>>();
let threads = 0;

/** How many threads each later product may use, the caller's included; 0 (the default) leaves it to onnxruntime. */
export function setProductThreads(count: number): void {
  threads = count;
}

/** The number set by {@link setProductThreads}. Undefined: onnxruntime chooses. */
export function productThreads(): number | undefined {
  return threads || undefined;
}

/**
 * A B, or with either side transposed; both matrices hold the same type of numbers, which the result shares.
 * 2 · rows · cols · inner flops. Throws SurgeryError('numeric') if shapes, types or lengths do not fit together, ('usage') for
 * arguments that are not matrices.
 *
 *     await multiply({ rows: 1, cols: 2, data: Float64Array.of(1, 2) }, { rows: 2, cols: 1, data: Float64Array.of(3, 4) })
 *     // { rows: 1, cols: 1, data: Float64Array [ 11 ] }
 */
export async function multiply<T extends Numbers>(
  a: Matrix<T>,
  b: Matrix<T>,
  options: Transposes = {},
): Promise<Matrix<T>> {
  for (const matrix of [a, b]) requireArgument('a matrix', matrix, aMatrix);
  requireOptions('multiply', options, { transposeA: aFlag, transposeB: aFlag });
  const rows = options.transposeA ? a.cols : a.rows;
  const cols = options.transposeB ? b.rows : b.cols;
  const data = (a.data instanceof Float64Array ? new Float64Array(rows * cols) : new Float32Array(rows * cols)) as T;
  const result = { rows, cols, data };
  await multiplyInto(result, a, b, options);
  return result;
}

/**
 * Writes the product of {@link multiply} into a matrix that exists, or adds it with `accumulate`. The matrix must share no
 * memory with a or b.
 */
export async function multiplyInto<T extends Numbers>(
  result: Matrix<T>,
  a: Matrix<T>,
  b: Matrix<T>,
  options: Transposes & Scaling = {},
): Promise<void> {
  const { transposeA = false, transposeB = false, alpha = 1, accumulate = false } = options;
  const inner = transposeA ? a.rows : a.cols;
  const fits =
    inner === (transposeB ? b.cols : b.rows) &&
    result.rows === (transposeA ? a.cols : a.rows) &&
    result.cols === (transposeB ? b.rows : b.cols);
  if (!fits || [a, b, result].some((m) => m.data.length !== m.rows * m.cols)) throw misfit(a, b, options);
  if (typeName(a.data) !== typeName(b.data) || typeName(a.data) !== typeName(result.data)) throw misfit(a, b, options);
  if (result.data.length === 0) return;
  if (inner === 0) {
    if (!accumulate) result.data.fill(0);
    return;
  }
  const session = await gemmSession(typeName(a.data), transposeA, transposeB, alpha, accumulate);
  const y = tensor(result.data, [result.rows, result.cols]);
  const feeds = { a: tensor(a.data, [a.rows, a.cols]), b: tensor(b.data, [b.rows, b.cols]) };
  // The kernel copies C to the output before it adds to it; handed the output itself, it works in place.
  await session.run(accumulate ? { ...feeds, c: y } : feeds, { y });
}

/** `count` products A_g B_g at once into Y_g: a is (count, rows, inner), b (count, inner, cols), y (count, rows, cols); longer arrays' tails are left alone. */
export async function multiplyEach(
  y: Float64Array,
  a: Float64Array,
  b: Float64Array,
  shape: { count: number; rows: number; inner: number; cols: number },
): Promise<void> {
  const { count, rows, inner, cols } = shape;
  const part = (x: Float64Array, length: number) => x.subarray(0, length);
  const session = await matMulSession();
  const feeds = {
    a: tensor(part(a, count * rows * inner), [count, rows, inner]),
    b: tensor(part(b, count * inner * cols), [count, inner, cols]),
  };
  await session.run(feeds, { y: tensor(part(y, count * rows * cols), [count, rows, cols]) });
}

/** Rows of a Gram matrix made at once: enough for an efficient product, few enough to leave out most of one half. */
const GRAM_ROWS = 256;

/**
 * The upper triangle of X Xᵀ, (rows, rows) row-major; what lies below the diagonal is unspecified (symmetricEigen reads
 * the upper triangle alone). Little more than rows² · cols flops, half of what `multiply` would take.
 */
export async function gramOfRows({ rows, cols, data }: Matrix): Promise<Matrix> {
  const gram = new Float64Array(rows * rows);
  for (let from = 0; from < rows; from += GRAM_ROWS) {
    const to = Math.min(from + GRAM_ROWS, rows);
    const upper = { rows: to - from, cols, data: data.subarray(from * cols, to * cols) };
    const rest = { rows: rows - from, cols, data: data.subarray(from * cols) };
    const part = await multiply(upper, rest, { transposeB: true });
    for (let i = 0; i < part.rows; i++) {
      gram.set(part.data.subarray(i * part.cols, (i + 1) * part.cols), (from + i) * rows + from);
    }
  }
  return { rows, cols: rows, data: gram };
}

function tensor(data: Numbers, shape: number[]): Tensor {
  return data instanceof Float64Array ? new Tensor('float64', data, shape) : new Tensor('float32', data, shape);
}

function typeName(data: Numbers): 'float32' | 'float64' {
  return data instanceof Float64Array ? 'float64' : 'float32';
}

function misfit(a: Matrix<Numbers>, b: Matrix<Numbers>, { transposeA, transposeB }: Transposes): SurgeryError {
  const show = (m: Matrix<Numbers>, transposed?: boolean) =>
    `${m.rows}×${m.cols}${transposed ? ' transposed' : ''} ${typeName(m.data)} (${m.data.length} numbers)`;
  return new SurgeryError('numeric', `these do not multiply: ${show(a, transposeA)} and ${show(b, transposeB)}`);
}

function gemmSession(
  type: 'float32' | 'float64',
  transposeA: boolean,
  transposeB: boolean,
  alpha: number,
  accumulate: boolean,
): Promise<Session> {
  const key = ['Gemm', type, transposeA, transposeB, alpha, accumulate, threads].join(' ');
  return cached(key, () => {
    const attribute = [
      { name: 'transA', type: onnx.AttributeProto.AttributeType.INT, i: Number(transposeA) },
      { name: 'transB', type: onnx.AttributeProto.AttributeType.INT, i: Number(transposeB) },
      { name: 'alpha', type: onnx.AttributeProto.AttributeType.FLOAT, f: alpha },
    ];
    return oneNode('Gemm', accumulate ? ['a', 'b', 'c'] : ['a', 'b'], type, attribute);
  });
}

function matMulSession(): Promise<Session> {
  return cached(`MatMul float64 ${threads}`, () => oneNode('MatMul', ['a', 'b'], 'float64', []));
}

function cached(key: string, model: () => Uint8Array): Promise<Session> {
  return getOrMake(sessions, key, () =>
    openSession(model(), {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // Outputs are given by the caller, so an arena would only hold memory; idle threads must not burn a core.
      enableCpuMemArena: false,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    }),
  );
}

function oneNode(opType: string, input: string[], type: 'float32' | 'float64', attribute: object[]): Uint8Array {
  const elemType = type === 'float64' ? onnx.TensorProto.DataType.DOUBLE : onnx.TensorProto.DataType.FLOAT;
  const value = (name: string) => ({ name, type: { tensorType: { elemType } } });
  const graph = {
    name: opType,
    node: [{ opType, input, output: ['y'], attribute }],
    input: input.map(value),
    output: [value('y')],
  };
  return onnx.ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }).finish();
}
