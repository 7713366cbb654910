// How exactly products are computed.

/**
 * `fp32` computes exactly; `int8` rounds weights, and what they are multiplied with, to 8 bits, apart from a few outlier
 * coordinates. A session holds the weights that variants replace in float32.
 */
export const precisions = ['fp32', 'int8'] as const;
export type Precision = (typeof precisions)[number];
