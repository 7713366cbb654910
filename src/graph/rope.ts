// Rotary position embedding: frequencies by the config's rule, and their cosine and sine tables.
import type { LlamaConfig } from '../checkpoint/config.ts';

/**
 * Angle per position of each pair of dimensions, (headDim / 2), in radians, float64.
 * Sources: RoFormer for the base; transformers' `modeling_rope_utils` for linear and llama3 scaling.
 */
export function rotaryFrequencies({ headDim, ropeTheta, ropeScaling: scaling }: LlamaConfig): Float64Array {
  const base = Float64Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim));
  if (scaling.kind === 'default') return base;
  if (scaling.kind === 'linear') return base.map((frequency) => frequency / scaling.factor);
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalPositions } = scaling;
  return base.map((frequency) => {
    const turns = (originalPositions * frequency) / (2 * Math.PI); // over the length the model was first trained on
    if (turns > high) return frequency;
    if (turns < low) return frequency / factor;
    const blend = (turns - low) / (high - low);
    return ((1 - blend) * frequency) / factor + blend * frequency;
  });
}

/** Cosines and sines of `positions` rows from position 0 on, each (positions, headDim / 2). */
export function rotaryTables(config: LlamaConfig, positions: number): { cos: Float32Array; sin: Float32Array } {
  const frequencies = rotaryFrequencies(config);
  const half = frequencies.length;
  const angle = (i: number) => Math.floor(i / half) * (frequencies[i % half] as number);
  return {
    cos: Float32Array.from({ length: positions * half }, (_, i) => Math.cos(angle(i))),
    sin: Float32Array.from({ length: positions * half }, (_, i) => Math.sin(angle(i))),
  };
}
