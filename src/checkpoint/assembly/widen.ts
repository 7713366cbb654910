// AssemblyScript: 16-bit floats → float32, eight at a time. See ../dtypes.ts.

/** bfloat16 is the upper half of float32. `count` is rounded up to a multiple of 8: leave room. */
export function brainFloats(source: usize, target: usize, count: i32): void {
  const zero = i16x8.splat(0);
  for (let i = 0; i < count; i += 8) {
    const halves = v128.load(source + ((<usize>i) << 1));
    const at = target + ((<usize>i) << 2);
    v128.store(at, v128.shuffle<i16>(zero, halves, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(at, v128.shuffle<i16>(zero, halves, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  }
}

/** IEEE half precision. `count` is rounded up to a multiple of 8: leave room. */
export function halfs(source: usize, target: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    const eight = v128.load(source + ((<usize>i) << 1));
    const at = target + ((<usize>i) << 2);
    v128.store(at, widened(i32x4.extend_low_i16x8_u(eight)));
    v128.store(at, widened(i32x4.extend_high_i16x8_u(eight)), 16);
  }
}

/** The bits of four halfs as float32: their exponent counts from 15, float32's from 127. */
function widened(bits: v128): v128 {
  const magnitude = v128.and(bits, i32x4.splat(0x7fff));
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  const finite = f32x4.mul(i32x4.shl(magnitude, 13), f32x4.splat(reinterpret<f32>((127 + 112) << 23)));
  const isNone = v128.and(i32x4.gt_s(magnitude, i32x4.splat(0x7bff)), i32x4.splat(0x7f800000)); // infinity or NaN
  return v128.or(v128.or(finite, isNone), sign);
}
