// Whether this processor's products of 8-bit integers are exact: some x86 ones add pairs of them in 16 bits, which saturate.
import { GraphBuilder } from '../../graph/builder.ts';
import { openSession, Tensor } from '../../platform/onnxruntime.ts';

/** Session options under which integer products are exact on every processor, more slowly where they would not be. */
export const exactProducts = { x64quantprecision: '1' };

const [into, out] = [64, 32];

/** What the largest sum of 64 products of an unsigned and a signed byte is. */
export const largestSum = into * 255 * 127;

/** What onnxruntime makes of that sum here. */
export async function computedSum(options: Readonly<Record<string, string>>): Promise<number> {
  const g = new GraphBuilder();
  g.node(
    'MatMulInteger',
    [g.input('rows', 'uint8', [1, into]), g.values('weights', [into, out], new Int8Array(into * out).fill(127))],
    'sums',
  );
  g.output('sums', 'int32', [1, out]);
  const extra = { session: options };
  const session = await openSession(g.build('sums'), { intraOpNumThreads: 1, logSeverityLevel: 4, extra });
  const { sums } = await session.run({ rows: new Tensor('uint8', new Uint8Array(into).fill(255), [1, into]) });
  await session.release();
  const values = sums?.data as Int32Array;
  return Math.min(...values); // sums that saturate are too small
}

let saturates: Promise<boolean> | undefined;

/** Whether products of unsigned and signed bytes are not exact on this processor: those of two unsigned ones are. */
export function needsUnsigned(): Promise<boolean> {
  saturates ??= computedSum({}).then((sum) => sum !== largestSum);
  return saturates;
}

/** Session options for exact integer products with weights of the graph on this processor. */
export async function integerOptions(): Promise<Readonly<Record<string, string>>> {
  return (await needsUnsigned()) ? exactProducts : {};
}
