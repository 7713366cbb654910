// Outliers around the down projections, recorded while a text goes through a model block by block.
import { projectionName } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { RowBatch } from '../../runtime/walk/batches.ts';
import { Walk, type WalkOptions } from '../../runtime/walk/walk.ts';
import { Medians } from '../medians.ts';
import type { Outlier, OutlierLayer } from './result.ts';

type Spell = (id: number) => { readonly token: string; readonly shown: string };

/**
 * The largest input and output of each layer's down projection over all documents and positions, and the weight that joins
 * them: a single weight, set to zero, can ruin a model ("super weights", Yu et al. 2024). The output of
 * down is the difference of the residual stream after and before the MLP. Each layer's weights are read once.
 * @param onBlock called with the blocks run so far and in all
 * @throws SurgeryError `numeric`, by layer, for values that are not finite
 */
export async function findOutliers(
  checkpoint: Checkpoint,
  documents: readonly (readonly number[])[],
  spelled: Spell,
  { threads, memory }: Pick<WalkOptions, 'threads' | 'memory'>,
  onBlock: (done: number, total: number) => void = () => {},
): Promise<OutlierLayer[]> {
  const { hiddenSize, intermediateSize } = checkpoint.config;
  const walk = new Walk(checkpoint, documents, { threads, memory });
  const layers: OutlierLayer[] = [];
  const norms = new Medians(documents.length);
  let [input, output] = [new Largest(intermediateSize), new Largest(hiddenSize)];
  let beforeMlp = new Float32Array(0);
  const finished = async (layer: number) => {
    const place = (largest: Largest): Outlier => {
      const { at, ...rest } = largest.found(layer);
      return { ...rest, ...at, ...spelled(itemAt(itemAt(documents, at.document), at.position)) };
    };
    const [from, to] = [place(input), place(output)];
    const name = projectionName(layer, 'down');
    const row = await checkpoint.readFloat32(name, [to.coordinate, to.coordinate + 1]);
    const value = itemAt(row, from.coordinate);
    layers.push({
      layer,
      input: from,
      output: to,
      weight: { row: to.coordinate, column: from.coordinate, value, adds: value * from.value },
      residual: { first: norms.of(`${layer} first`), later: norms.of(`${layer} later`) },
    });
  };
  try {
    await walk.run([], {
      onBlock,
      sublayers: true,
      activations: () => ['down'],
      // The point between a block's attention and MLP is visited right before that block.
      visit: ({ point, residual }) => {
        if (point.endsWith('attn')) beforeMlp = residual as Float32Array<ArrayBuffer>;
      },
      async visitBlock({ layer, batch, input: residual, output: after, activations }) {
        if (batch === walk.batches[0]) [input, output] = [new Largest(intermediateSize), new Largest(hiddenSize)];
        input.add(batch, activations.get('down') ?? new Float32Array(0));
        const before = beforeMlp;
        output.add(
          batch,
          after.map((value, i) => value - (before[i] as number)),
        );
        addNorms(norms, layer, batch, residual, hiddenSize);
        if (batch === walk.batches.at(-1)) await finished(layer);
      },
    });
  } finally {
    await walk.close();
  }
  return layers;
}

/** The largest magnitude of rows that come in batches. */
class Largest {
  readonly #width: number;
  #value = 0;
  #coordinate = 0;
  #at = { document: 0, position: 0 };
  #squares = 0;
  #count = 0;

  constructor(width: number) {
    this.#width = width;
  }

  /** @param rows (rows of the batch, width) */
  add(batch: RowBatch, rows: Float32Array): void {
    let best = -1;
    let most = Math.abs(this.#value);
    for (let i = 0; i < rows.length; i++) {
      const value = rows[i] as number;
      this.#squares += value * value;
      if (Math.abs(value) > most) [best, most] = [i, Math.abs(value)];
    }
    this.#count += rows.length;
    if (best < 0) return;
    this.#value = rows[best] as number;
    this.#coordinate = best % this.#width;
    this.#at = itemAt(placesOf(batch), Math.floor(best / this.#width));
  }

  /** @throws SurgeryError `numeric` */
  found(layer: number) {
    const rms = Math.sqrt(this.#squares / this.#count);
    if (!Number.isFinite(rms))
      throw new SurgeryError('numeric', `layer ${layer}: the MLP gives values that are not finite numbers`);
    return { value: this.#value, coordinate: this.#coordinate, at: this.#at, rms };
  }
}

/** Document and position of each row. */
function placesOf({ pieces }: RowBatch): { readonly document: number; readonly position: number }[] {
  return pieces.flatMap(({ document, from, to }) =>
    Array.from({ length: to - from }, (_, i) => ({ document, position: from + i })),
  );
}

function addNorms(norms: Medians, layer: number, batch: RowBatch, residual: Float32Array, width: number): void {
  for (const [row, { document, position }] of placesOf(batch).entries()) {
    let squares = 0;
    for (let i = row * width; i < (row + 1) * width; i++) squares += (residual[i] as number) ** 2;
    norms.add(`${layer} ${position === 0 ? 'first' : 'later'}`, document, [Math.sqrt(squares)]);
  }
}
