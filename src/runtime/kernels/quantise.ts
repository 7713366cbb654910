// AssemblyScript: float32 rows → 8-bit blocks with one scale each, four numbers at a time. See ../quantise.ts.

/** bfloat16 is the upper half of float32. `count` is rounded up to a multiple of 8: leave room. */
export function widen(source: usize, target: usize, count: i32): void {
  const zero = i16x8.splat(0);
  for (let i = 0; i < count; i += 8) {
    const halves = v128.load(source + ((<usize>i) << 1));
    const at = target + ((<usize>i) << 2);
    v128.store(at, v128.shuffle<i16>(zero, halves, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(at, v128.shuffle<i16>(zero, halves, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  }
}

/** (rows, cols) float32 → (rows, blocks, block) bytes and (rows, blocks) scales; `block` is a multiple of 16, a row's last block is padded with zeros. */
export function quantise(values: usize, rows: i32, cols: i32, block: i32, bytes: usize, scales: usize): void {
  const size = <usize>block;
  for (let row = 0; row < rows; row++) {
    let left = <usize>cols;
    for (; left >= size; left -= size) {
      quantiseBlock(values, size, bytes, scales);
      values += size * 4;
      bytes += size;
      scales += 4;
    }
    if (left > 0) {
      quantiseTail(values, <i32>left, size, bytes, scales);
      values += left * 4;
      bytes += size;
      scales += 4;
    }
  }
}

function quantiseBlock(values: usize, size: usize, bytes: usize, scales: usize): void {
  let largest = f32x4.splat(0);
  for (let i: usize = 0; i < size * 4; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(values + i)));
  const pair = f32x4.max(largest, v128.shuffle<i32>(largest, largest, 2, 3, 0, 1));
  const scale = Mathf.max(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1)) / 127;
  store<f32>(scales, scale);
  const divisor = f32x4.splat(scale);
  for (let i: usize = 0; i < size; i += 16) {
    const from = values + i * 4;
    const low = i16x8.narrow_i32x4_s(steps(from, divisor), steps(from + 16, divisor));
    const high = i16x8.narrow_i32x4_s(steps(from + 32, divisor), steps(from + 48, divisor));
    // Flipping the top bit adds 128.
    v128.store(bytes + i, v128.xor(i8x16.narrow_i16x8_s(low, high), i8x16.splat(-128)));
  }
}

/** Four weights in steps of their scale, −127 to 127. Zeros of an all-zero block are NaN here and 0 as integers. */
function steps(at: usize, divisor: v128): v128 {
  const rounded = f32x4.nearest(f32x4.div(v128.load(at), divisor));
  const limit = f32x4.splat(127);
  return i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(rounded, f32x4.neg(limit)), limit));
}

function quantiseTail(values: usize, count: i32, size: usize, bytes: usize, scales: usize): void {
  let largest: f32 = 0;
  for (let i = 0; i < count; i++) largest = max(largest, abs(load<f32>(values + ((<usize>i) << 2))));
  const scale = largest / 127;
  store<f32>(scales, scale);
  memory.fill(bytes, 128, size);
  if (scale == 0) return;
  for (let i = 0; i < count; i++) {
    const step = min(max(nearest(load<f32>(values + ((<usize>i) << 2)) / scale), -127), 127);
    store<u8>(bytes + i, <u8>(<i32>step + 128));
  }
}
