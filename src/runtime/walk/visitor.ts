// What looks inside while a walk goes on, and what it asks for.
import { type Activation, activations } from '../../checkpoint/names.ts';
import { attentionTap } from '../../graph/taps.ts';
import type { InnerPoint } from '../../graph/walk.ts';
import { type AllowedOptions, aFlag, aFunction, aList, oneOfWords, requireArgument } from '../../platform/arguments.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { RowBatch } from './batches.ts';

/** The residual stream at some rows. */
export interface VisitedRows {
  /** `embed`, `0`, `1` …: the point of the stream; `0 attn`: between the attention and the MLP of block 0. */
  readonly point: string;
  /** 0 for the original, then the variants in order. */
  readonly model: number;
  /** Whose rows these are: the original's, 0, of a variant that has changed nothing yet. */
  readonly source: number;
  readonly batch: RowBatch;
  /** (rows, hidden). Copy what is to be kept. */
  readonly residual: Float32Array;
}

/** Some rows on their way through a block. Copy what is to be kept. */
export interface VisitedBlock {
  readonly layer: number;
  /** 0 for the original, then the variants in order. */
  readonly model: number;
  readonly batch: RowBatch;
  /** The residual stream before and after the block, (rows, hidden). */
  readonly input: Float32Array;
  readonly output: Float32Array;
  /** The activations that the visitor asked for, (rows, in_features) each. */
  readonly activations: ReadonlyMap<Activation, Float32Array>;
}

/** What looks inside while a walk goes on. */
export interface WalkVisitor {
  /** Called with every model's residual stream at every point, batch by batch of the documents. */
  readonly visit?: (rows: VisitedRows) => void | Promise<void>;
  /** Whether `visit` also sees the points between attention and MLP, `0 attn`, `1 attn` …. Default: false. */
  readonly sublayers?: boolean;
  /** Called with every block that is computed, batch by batch of the documents: a variant's from the first that it changes on. */
  readonly visitBlock?: (block: VisitedBlock) => void | Promise<void>;
  /** The activations of a layer that `visitBlock` sees. Default: none. */
  readonly activations?: (layer: number) => readonly Activation[];
}

export const visitorOptions: AllowedOptions<WalkVisitor> = {
  visit: aFunction,
  sublayers: aFlag,
  visitBlock: aFunction,
  activations: aFunction,
};

/** What is seen of one block of one model. */
export interface Look {
  /** What its graph gives. */
  readonly inner: readonly InnerPoint[];
  readonly see: (
    batch: RowBatch,
    input: Float32Array,
    output: Float32Array,
    inner: ReadonlyMap<InnerPoint, Float32Array>,
  ) => Promise<void>;
}

const someActivations = aList(oneOfWords(activations), `a list of ${activations.join(', ')}`);

/**
 * @param models whose stream it is: the original's is that of every variant that has changed nothing so far
 * @throws SurgeryError `usage` for activations that there are not
 */
export function lookInto(
  { visit, sublayers, ...visitor }: WalkVisitor,
  layer: number,
  models: readonly number[],
): Look {
  const source = itemAt(models, 0);
  const wanted = visitor.visitBlock ? (visitor.activations?.(layer) ?? []) : [];
  requireArgument(`activations(${layer})`, wanted, someActivations);
  return {
    inner: [...(visit && sublayers ? ['afterAttention' as const] : []), ...new Set(wanted)],
    async see(batch, input, output, inner) {
      const residual = inner.get('afterAttention');
      const point = attentionTap(layer).name;
      if (residual) for (const model of models) await visit?.({ point, model, source, batch, residual });
      const activations = new Map(wanted.map((name) => [name, inner.get(name) as Float32Array]));
      await visitor.visitBlock?.({ layer, model: source, batch, input, output, activations });
    },
  };
}
