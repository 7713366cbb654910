export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}
export async function multiply(
  a: Matrix,
  b: Matrix,
  o: { transposeA?: boolean; transposeB?: boolean } = {},
): Promise<Matrix> {
  const [m, k] = o.transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const n = o.transposeB ? b.rows : b.cols;
  const data = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let s = 0;
      for (let l = 0; l < k; l++)
        s +=
          (o.transposeA ? a.data[l * a.cols + i] : a.data[i * a.cols + l])! *
          (o.transposeB ? b.data[j * b.cols + l] : b.data[l * b.cols + j])!;
      data[i * n + j] = s;
    }
  return { rows: m, cols: n, data };
}
