import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
export async function symmetricEigen(
  a: Float64Array,
  n: number,
  o: { count?: (values: Float64Array) => number } = {},
): Promise<{ values: Float64Array; vectors: Float64Array }> {
  const e = new EigenvalueDecomposition(
    new Matrix(Array.from({ length: n }, (_, i) => Array.from(a.subarray(i * n, i * n + n)))),
    { assumeSymmetric: true },
  );
  const order = e.realEigenvalues.map((_, i) => i).sort((x, y) => e.realEigenvalues[y]! - e.realEigenvalues[x]!);
  const values = Float64Array.from(order, (i) => e.realEigenvalues[i]!);
  const count = o.count?.(values) ?? n;
  const vectors = new Float64Array(count * n);
  for (let c = 0; c < count; c++)
    for (let i = 0; i < n; i++) vectors[c * n + i] = e.eigenvectorMatrix.get(i, order[c]!);
  return { values, vectors };
}
