// The calibration text: statistics of its activations, gathered in one walk for all operations that are fitted to them.
import type { Activation } from '../checkpoint/names.ts';
import { activationWidth } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { seededRandom } from '../linalg/random.ts';
import { getOrMake, itemAt } from '../platform/indexing.ts';
import { type LayerStatistics, statisticsVisitor } from '../runtime/statistics.ts';
import type { WalkVariant } from '../runtime/walk/steps.ts';
import type { WalkVisitor } from '../runtime/walk/visitor.ts';
import { Walk } from '../runtime/walk/walk.ts';
import { type Documents, encodeDocuments } from '../text/encode-documents.ts';
import type { CalibrationNeed, CalibrationPart } from './kind.ts';

/** A need, and the callback that takes a layer's statistics. They are freed when it returns: only one layer's are in memory. */
export interface Gathering {
  readonly need: CalibrationNeed;
  readonly take: (statistics: LayerStatistics) => Promise<void>;
}

/** New weights of a layer, by tensor name. */
type Edits = WalkVariant['edit'];

/** Gathers the statistics of a calibration text in a checkpoint. */
export class Calibration {
  readonly #checkpoint: Checkpoint;
  readonly #documents: Promise<readonly (readonly number[])[]>;
  readonly #settings: { readonly threads?: number | undefined; readonly memory?: number | undefined };

  constructor(
    checkpoint: Checkpoint,
    documents: Documents,
    settings: { readonly threads?: number | undefined; readonly memory?: number | undefined } = {},
  ) {
    this.#checkpoint = checkpoint;
    this.#documents = encodeDocuments(documents, checkpoint);
    this.#documents.catch(() => {}); // thrown when it is read
    this.#settings = settings;
  }

  /**
   * Gathers all statistics of one part of the text in one walk.
   * @param edited the model as earlier operations have left it
   * @param onBlock called with the blocks done and in all
   * @throws SurgeryError `text` for documents that the model cannot read, `numeric` for activations that are not finite
   */
  async gather(
    part: CalibrationPart | undefined,
    gatherings: readonly Gathering[],
    edited?: WalkVariant,
    onBlock?: (done: number, total: number) => void,
  ): Promise<void> {
    await this.#walked(part, gatherings, async (walk) => {
      const model = (layer: number) => (edited && layer >= edited.from ? 1 : 0);
      await walk.run(edited ? [edited] : [], {
        ...visitorOf(walk, gatherings, model),
        ...(onBlock && { onBlock }),
      });
    });
  }

  /**
   * Gathers each block's statistics from the residual stream that the already edited blocks before it write.
   * @param found a layer's weights that earlier operations have changed
   * @param edit the layer's new weights, once its statistics have been taken
   * @throws SurgeryError as {@link gather}
   */
  async gatherAlong(
    gathering: Gathering,
    found: Edits,
    edit: Edits,
    onBlock?: (done: number, total: number) => void,
  ): Promise<void> {
    await this.#walked(gathering.need.part, [gathering], (walk) =>
      walk.operating(
        Math.max(...gathering.need.layers),
        visitorOf(walk, [gathering], () => 0),
        found,
        edit,
        onBlock,
      ),
    );
  }

  async #walked(
    part: CalibrationPart | undefined,
    gatherings: readonly Gathering[],
    run: (walk: Walk) => Promise<void>,
  ): Promise<void> {
    const { config } = this.#checkpoint;
    const widths = gatherings.flatMap(({ need }) =>
      need.secondMoments ? need.activations.map((name) => activationWidth(config, name)) : [],
    );
    const walk = new Walk(this.#checkpoint, partOf(await this.#documents, part), {
      ...this.#settings,
      reserved: 12 * Math.max(0, ...widths) ** 2,
    });
    try {
      await run(walk);
    } finally {
      await walk.close();
    }
  }
}

/** @throws RangeError for half of a single token */
export function partOf(
  documents: readonly (readonly number[])[],
  part: CalibrationPart | undefined,
): readonly (readonly number[])[] {
  if (part === undefined) return documents;
  if (part === 'permuted') return documents.map((ids, i) => permuted(ids, i));
  const isFirst = part === 'first-half';
  const half = (length: number): [number, number] =>
    isFirst ? [0, Math.ceil(length / 2)] : [Math.ceil(length / 2), length];
  const [only, ...more] = documents;
  if (!only || more.length > 0) return documents.slice(...half(documents.length));
  return [only.slice(...half(only.length))];
}

/** The tokens after the first in a random order (Fisher and Yates). */
function permuted(ids: readonly number[], seed: number): number[] {
  const random = seededRandom(seed);
  const all = [...ids];
  for (let i = all.length - 1; i > 1; i--) {
    const j = 1 + Math.floor(random() * i);
    [all[i], all[j]] = [itemAt(all, j), itemAt(all, i)];
  }
  return all;
}

/** Sums of one activation, or of the residual stream alone, in the layers where any operation needs them. */
interface Summed {
  readonly activation: Activation | undefined;
  readonly need: CalibrationNeed;
  readonly layers: Set<number>;
}

const keyOf = ({ secondMoments = false, withoutFirst = false }: CalibrationNeed, activation: Activation | undefined) =>
  `${activation} ${secondMoments} ${withoutFirst}`;

const activationsOf = ({ activations }: CalibrationNeed): readonly (Activation | undefined)[] =>
  activations.length > 0 ? activations : [undefined];

/**
 * Computes the sums that several gatherings need, each once.
 * @param model the walk's model whose blocks are recorded in a layer: 0 is the original
 */
function visitorOf(
  walk: Walk,
  gatherings: readonly Gathering[],
  model: (layer: number) => number,
): Required<Pick<WalkVisitor, 'activations' | 'visitBlock'>> {
  const sums = new Map<string, Summed>();
  for (const { need } of gatherings)
    for (const activation of activationsOf(need)) {
      const one = getOrMake(sums, keyOf(need, activation), () => ({ activation, need, layers: new Set<number>() }));
      for (const layer of need.layers) one.layers.add(layer);
    }
  const found = new Map<string, LayerStatistics>();
  const visitors = [...sums].map(([key, { activation, need, layers }]) =>
    statisticsVisitor(walk, (statistics) => void found.set(key, statistics), {
      layers: [...layers],
      activations: activation ? [activation] : [],
      secondMoments: need.secondMoments ?? false,
      withoutFirst: need.withoutFirst ?? false,
    }),
  );
  return {
    activations: (layer) => [...new Set(visitors.flatMap((visitor) => visitor.activations(layer)))],
    async visitBlock(block) {
      const { layer } = block;
      if (block.model !== model(layer)) return;
      for (const visitor of visitors) await visitor.visitBlock(block);
      if (block.batch !== walk.batches.at(-1)) return;
      for (const { need, take } of gatherings) if (need.layers.includes(layer)) await take(together(need, found));
      found.clear();
    },
  };
}

/** The statistics that one need asks for. */
function together(need: CalibrationNeed, found: ReadonlyMap<string, LayerStatistics>): LayerStatistics {
  const all = activationsOf(need).map((activation) => {
    const one = found.get(keyOf(need, activation));
    if (!one) throw new RangeError(`the walk gave no ${activation ?? 'residual stream'}`);
    return one;
  });
  return { ...itemAt(all, 0), activations: new Map(all.flatMap(({ activations }) => [...activations])) };
}
