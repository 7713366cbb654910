// Lengths and angles of the rows of one or two matrices of residuals, (rows, hidden), in float64, and rows at one length.

/**
 * How residuals are normalised, printed with averages over positions. Leaving out long ones instead
 * would need a threshold, and there is none that serves: in SmolLM2-135M each text's first token is 36 to 180 times the median
 * after blocks 11 to 27, but after blocks 2 to 8 2 % of the positions, many of them " the", are 3 to 12 times it and hold up
 * to 57 % of the squared norm; of pocket's last residuals an eighth are more than 3 times the median.
 */
export const normalisedRule =
  'each residual divided by its root mean square, as the model’s own norms divide it, so that an attention sink weighs no ' +
  'more than any other position';

/**
 * Rows as the model's norms (RMSNorm) have them before their scale γ: x / √(mean x² + ε).
 * @param x (rows, hidden)
 * @param epsilon of the model's norms
 * @returns (rows, hidden), a copy
 */
export function normalised(x: Float32Array, hidden: number, epsilon: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let from = 0; from < x.length; from += hidden) {
    const row = from / hidden;
    const size = Math.sqrt(dot(x, row, x, row, hidden) / hidden + epsilon);
    for (let at = from; at < from + hidden; at++) out[at] = (x[at] as number) / size;
  }
  return out;
}

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
  const difference = y.map((value, i) => value - (x[i] as number));
  const reference = norms(x, rows);
  return norms(difference, rows).map((norm, row) => norm / (reference[row] as number));
}

function dot(x: Float32Array, xRow: number, y: Float32Array, yRow: number, hidden: number): number {
  const [xAt, yAt] = [xRow * hidden, yRow * hidden];
  let sum = 0;
  for (let i = 0; i < hidden; i++) sum += (x[xAt + i] as number) * (y[yAt + i] as number);
  return sum;
}
