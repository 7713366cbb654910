// AssemblyScript: float32 rows → 8-bit integers with one scale a row, four numbers at a time. See ../quantise.ts.

export { brainFloats, halfs } from '../../../checkpoint/assembly/widen';

/** Each block of `size` values, a power of two, times Sylvester's Hadamard matrix: sums and differences, stage by stage. */
export function rotate(values: usize, count: i32, size: i32): void {
  const end = values + ((<usize>count) << 2);
  const block = (<usize>size) << 2;
  for (let start = values; start < end; start += block) {
    for (let half: usize = 4; half < block; half <<= 1) {
      for (let pair = start; pair < start + block; pair += half << 1) {
        let at = pair;
        for (; at + 16 <= pair + half; at += 16) {
          const a = v128.load(at);
          const b = v128.load(at + half);
          v128.store(at, f32x4.add(a, b));
          v128.store(at + half, f32x4.sub(a, b));
        }
        for (; at < pair + half; at += 4) {
          const a = load<f32>(at);
          const b = load<f32>(at + half);
          store<f32>(at, a + b);
          store<f32>(at + half, a - b);
        }
      }
    }
  }
}

/** (rows, cols) float32 → (rows, cols) signed bytes and (rows) scales. */
export function quantise(values: usize, rows: i32, cols: i32, bytes: usize, scales: usize): void {
  const size = <usize>cols;
  for (let row = 0; row < rows; row++) {
    const scale = largestOf(values, size) / 127;
    store<f32>(scales, scale);
    const divisor = f32x4.splat(scale);
    let i: usize = 0;
    for (; i + 16 <= size; i += 16) {
      const from = values + i * 4;
      const low = i16x8.narrow_i32x4_s(steps(from, divisor), steps(from + 16, divisor));
      const high = i16x8.narrow_i32x4_s(steps(from + 32, divisor), steps(from + 48, divisor));
      v128.store(bytes + i, i8x16.narrow_i16x8_s(low, high));
    }
    for (; i < size; i++) {
      const step: f32 = scale == 0 ? 0 : min<f32>(max<f32>(nearest(load<f32>(values + i * 4) / scale), -127), 127);
      store<i8>(bytes + i, <i8>step);
    }
    values += size * 4;
    bytes += size;
    scales += 4;
  }
}

/** Largest magnitude of a row. */
function largestOf(values: usize, size: usize): f32 {
  let four = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) four = f32x4.max(four, f32x4.abs(v128.load(values + i * 4)));
  const pair = f32x4.max(four, v128.shuffle<i32>(four, four, 2, 3, 0, 1));
  let largest = max<f32>(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
  for (; i < size; i++) largest = max<f32>(largest, abs(load<f32>(values + i * 4)));
  return largest;
}

/** Four weights in steps of their scale, −127 to 127. Zeros of an all-zero row are NaN here and 0 as integers. */
function steps(at: usize, divisor: v128): v128 {
  const rounded = f32x4.nearest(f32x4.div(v128.load(at), divisor));
  const limit = f32x4.splat(127);
  return i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(rounded, f32x4.neg(limit)), limit));
}

/** (rows, cols) bytes → the same columns first, `stride` bytes from one to the next. */
export function turn(bytes: usize, rows: i32, cols: i32, target: usize, stride: usize): void {
  const size = <usize>cols;
  for (let col: usize = 0; col < size; col++) {
    const to = target + col * stride;
    let from = bytes + col;
    for (let row: usize = 0; row < <usize>rows; row++) {
      store<u8>(to + row, load<u8>(from));
      from += size;
    }
  }
}
