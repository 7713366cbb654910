// AssemblyScript: float32 rows → 8-bit integers with one scale a row, four numbers at a time. See ../quantise.ts.

/** Each block of `size` values, a power of two, times Sylvester's Hadamard matrix: sums and differences, stage by stage. */
export function rotate(values: usize, count: i32, size: i32): void {
  const end = values + ((<usize>count) << 2);
  const block = (<usize>size) << 2;
  if (size >= 4) rotateFours(values, end);
  else if (size === 2) rotatePairs(values, end);
  for (let half: usize = 16; half < block; half <<= 1)
    for (let start = values; start < end; start += half << 1)
      for (let at = start; at < start + half; at += 16) {
        const a = v128.load(at);
        const b = v128.load(at + half);
        v128.store(at, f32x4.add(a, b));
        v128.store(at + half, f32x4.sub(a, b));
      }
}

/** The first two stages: of neighbours, and of pairs. */
function rotateFours(values: usize, end: usize): void {
  const second = f32x4(1, -1, 1, -1);
  const upper = f32x4(1, 1, -1, -1);
  for (let at = values; at < end; at += 16) {
    const four = v128.load(at);
    const sums = f32x4.add(v128.shuffle<i32>(four, four, 1, 0, 3, 2), f32x4.mul(four, second));
    v128.store(at, f32x4.add(v128.shuffle<i32>(sums, sums, 2, 3, 0, 1), f32x4.mul(sums, upper)));
  }
}

function rotatePairs(values: usize, end: usize): void {
  for (let at = values; at < end; at += 8) {
    const a = load<f32>(at);
    const b = load<f32>(at + 4);
    store<f32>(at, a + b);
    store<f32>(at + 4, a - b);
  }
}

/** (rows, cols) float32 → (rows, cols) signed bytes and (rows) scales. */
export function quantise(values: usize, rows: i32, cols: i32, bytes: usize, scales: usize): void {
  const size = <usize>cols;
  for (let row = 0; row < rows; row++) {
    const scale = largestOf(values, size) / 127;
    store<f32>(scales, scale);
    const divisor = f32x4.splat(scale == 0 ? 1 : scale);
    let i: usize = 0;
    for (; i + 16 <= size; i += 16) {
      const from = values + i * 4;
      const low = i16x8.narrow_i32x4_s(steps(from, divisor), steps(from + 16, divisor));
      const high = i16x8.narrow_i32x4_s(steps(from + 32, divisor), steps(from + 48, divisor));
      v128.store(bytes + i, i8x16.max_s(i8x16.narrow_i16x8_s(low, high), i8x16.splat(-127)));
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
  let next = four;
  let i: usize = 0;
  for (; i + 8 <= size; i += 8) {
    four = f32x4.max(four, f32x4.abs(v128.load(values + i * 4)));
    next = f32x4.max(next, f32x4.abs(v128.load(values + i * 4 + 16)));
  }
  four = f32x4.max(four, next);
  const pair = f32x4.max(four, v128.shuffle<i32>(four, four, 2, 3, 0, 1));
  let largest = max<f32>(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
  for (; i < size; i++) largest = max<f32>(largest, abs(load<f32>(values + i * 4)));
  return largest;
}

/** Adding it rounds a small number to the nearest integer, ties to even, which its lowest bits then hold. */
const rounding: f32 = 12582912;

/** Four weights in steps of their scale. */
function steps(at: usize, divisor: v128): v128 {
  const magic = f32x4.splat(rounding);
  return i32x4.sub(f32x4.add(f32x4.div(v128.load(at), divisor), magic), magic);
}

/** A tile of 16 × 16 bytes, twice. */
const tiles = memory.data(512, 16);

/** 16 × 16 bytes: interleaving the halves four times swaps rows and columns. */
function turnTile(from: usize, cols: usize, to: usize, stride: usize): void {
  for (let i: usize = 0; i < 16; i++) v128.store(tiles + i * 16, v128.load(from + i * cols));
  let one = tiles;
  let other = tiles + 256;
  for (let round = 0; round < 4; round++) {
    for (let i: usize = 0; i < 8; i++) {
      const a = v128.load(one + i * 16);
      const b = v128.load(one + i * 16 + 128);
      v128.store(other + i * 32, v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
      v128.store(other + i * 32 + 16, v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
    }
    const last = one;
    one = other;
    other = last;
  }
  for (let i: usize = 0; i < 16; i++) v128.store(to + i * stride, v128.load(one + i * 16));
}

/** (rows, cols) bytes → the same columns first, `stride` bytes from one to the next. */
export function turn(bytes: usize, rows: i32, cols: i32, target: usize, stride: usize): void {
  const height = <usize>rows;
  const width = <usize>cols;
  const tiled = width & ~15;
  let row: usize = 0;
  for (; row + 16 <= height; row += 16) {
    const from = bytes + row * width;
    for (let col: usize = 0; col < tiled; col += 16) turnTile(from + col, width, target + col * stride + row, stride);
    turnEach(from, 16, width, tiled, target + row, stride);
  }
  turnEach(bytes + row * width, height - row, width, 0, target + row, stride);
}

/** Columns from `first` on. */
function turnEach(bytes: usize, rows: usize, cols: usize, first: usize, target: usize, stride: usize): void {
  for (let row: usize = 0; row < rows; row++)
    for (let col = first; col < cols; col++) store<u8>(target + col * stride + row, load<u8>(bytes + row * cols + col));
}
