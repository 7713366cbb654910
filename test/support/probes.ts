// The golden values of probes, and the activations that they were computed on.
import { join } from 'node:path';
import type { RowSplit } from '../../src/analyses/probe/fit.ts';
import type { Source } from '../../src/analyses/probe/moments.ts';
import type { Resemblance } from '../../src/analyses/probe/result.ts';
import { type Activations, type Positions, positionsOf, record } from '../../src/analyses/recorded-residuals.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { itemAt } from '../../src/platform/indexing.ts';
import { golden } from './goldens.ts';
import { fixture } from './paths.ts';

interface GoldenReading {
  readonly rows: number;
  readonly r2: number;
  readonly cosine: number;
  readonly top1: number;
  readonly top5: number;
}

interface Golden {
  readonly model: string;
  readonly documents: number[][];
  readonly parts: number[];
  readonly points: readonly {
    readonly relative_lambda: readonly [embedding: number, token: number, previous: number];
    readonly embedding_weights: number[];
    readonly input: GoldenReading;
    readonly token: GoldenReading;
    readonly previous: GoldenReading;
    readonly inside: { readonly leading: GoldenReading; readonly trailing: GoldenReading };
    readonly resemblance: Record<keyof Resemblance, number>;
    readonly weight: number[];
    readonly signal: number[];
  }[];
}

export const probeGolden = golden<Golden>(fixture(''), 'probes.json');

export interface GoldenProbes {
  readonly checkpoint: Checkpoint;
  readonly activations: Activations;
  readonly positions: Positions;
  /** The reference's own parts, with input and previous tokens as labels. */
  readonly rowSplit: RowSplit;
}

export async function openGoldenProbes(): Promise<GoldenProbes> {
  const checkpoint = await Checkpoint.open(join(fixture(probeGolden.model)));
  const { variants } = await record(checkpoint, { documents: probeGolden.documents, bosId: 1 });
  const { activations } = itemAt(variants, 0);
  const positions = positionsOf(probeGolden.documents, 1);
  const rowSplit: RowSplit = {
    split: 'positions',
    subsets: Uint8Array.from(probeGolden.parts),
    labellings: (['input', 'previous'] as const).map((label) => ({ label, shuffled: false, labels: positions[label] })),
  };
  return { checkpoint, activations, positions, rowSplit };
}

/** Rows held in memory, given in blocks of seven. */
export function sourceOf(data: Float32Array, width: number): Source {
  return {
    width,
    async *blocks() {
      const rows = data.length / width;
      for (let from = 0; from < rows; from += 7) {
        const part = data.subarray(from * width, Math.min(from + 7, rows) * width);
        yield { from, x: { rows: part.length / width, cols: width, data: part } };
      }
    },
  };
}
