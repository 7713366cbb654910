// Hadamard matrices: rotations that spread a large coordinate over its neighbours, so that 8 bits serve all of them.

/**
 * How many neighbouring coordinates of a product's input are rotated together: the largest power of two up to 16 that
 * divides their number. Blocks of 64 gain little and slow small models down.
 */
export function hadamardBlock(size: number): number {
  let block = 16;
  while (size % block !== 0) block /= 2;
  return block;
}

/**
 * Sylvester's Hadamard matrix, (size, size) of ±1: symmetric, and its square is `size` times the identity.
 * @param size a power of two
 */
export function hadamard(size: number): Float32Array {
  const matrix = new Float32Array(size * size).fill(1);
  for (const i of matrix.keys())
    for (let common = Math.floor(i / size) & (i % size); common > 0; common &= common - 1)
      matrix[i] = -(matrix[i] as number);
  return matrix;
}
