// Lengths and angles of the rows of one or two matrices of residuals, (rows, hidden), in float64.

/** Euclidean norm of each row. */
export function norms(x: Float32Array, rows: number): Float64Array {
  const hidden = x.length / rows;
  return Float64Array.from({ length: rows }, (_, row) => Math.sqrt(dot(x, row, x, row, hidden)));
}

/** Cosine between each row of x and the row of y that `partners` names for it, by default the same; NaN for a row of zeros. */
export function cosines(x: Float32Array, y: Float32Array, rows: number, partners?: Int32Array): Float64Array {
  const hidden = x.length / rows;
  return Float64Array.from({ length: rows }, (_, row) => {
    const there = partners?.[row] ?? row;
    const squares = dot(x, row, x, row, hidden) * dot(y, there, y, there, hidden);
    return dot(x, row, y, there, hidden) / Math.sqrt(squares);
  });
}

/** ‖y − x‖ / ‖x‖ of each row. */
export function relativeErrors(x: Float32Array, y: Float32Array, rows: number): Float64Array {
  const difference = y.map((value, i) => value - (x[i] ?? 0));
  const reference = norms(x, rows);
  return norms(difference, rows).map((norm, row) => norm / (reference[row] ?? 0));
}

function dot(x: Float32Array, xRow: number, y: Float32Array, yRow: number, hidden: number): number {
  const [xAt, yAt] = [xRow * hidden, yRow * hidden];
  let sum = 0;
  for (let i = 0; i < hidden; i++) sum += (x[xAt + i] ?? 0) * (y[yAt + i] ?? 0);
  return sum;
}
