// Which of what was found stands for which of what was planted.
import type { Matrix } from '../../src/linalg/products.ts';

/** The cosine of each row's own partner, the pairs being taken one after the other, the most alike first. */
export function assignment({ rows, cols, data }: Matrix): number[] {
  const pairs = Array.from(data, (cosine, i) => ({
    row: Math.floor(i / cols),
    col: i % cols,
    cosine: Math.abs(cosine),
  }));
  const taken = { rows: new Set<number>(), cols: new Set<number>() };
  const out = Array<number>(rows).fill(0);
  for (const { row, col, cosine } of pairs.sort((a, b) => b.cosine - a.cosine)) {
    if (taken.rows.has(row) || taken.cols.has(col)) continue;
    taken.rows.add(row);
    taken.cols.add(col);
    out[row] = cosine;
  }
  return out;
}
