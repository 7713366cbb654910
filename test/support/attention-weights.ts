// The weights that a variant of attention replaces.
import type { Checkpoint } from '../../src/checkpoint/reader.ts';
import { touchedBy } from '../../src/operations/recipe.ts';

/** Names of the q, k and v projections of all layers. */
export function attentionWeights({ config }: Checkpoint): string[] {
  return touchedBy([[{ kind: 'pca', mode: 'separate', rank: 1 }]], config);
}
