// The PCAs of a checkpoint's groups, each fitted once however many operations ask for it, over the cores where the
// matrices are large enough to be worth a thread.
import type { WeightDtype } from '../checkpoint/dtypes.ts';
import { projectionName } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { WorkerPool } from '../linalg/pool.ts';
import { type Angles, type AnglesAt, principalAngles } from './angles.ts';
import {
  type Budget,
  type Engine,
  type FitOptions,
  type Fitted,
  fitGroup,
  type GroupSpectrum,
  type Member,
  type Prepared,
  type Rebuilding,
  type RebuiltGroup,
  rankFor,
  rebuildGroup,
  type rebuildPrepared,
  spectrumOf,
} from './group.ts';
import type { Group } from './groups.ts';
import { type JobName, readMember, type Source } from './thread.ts';

export interface FitsOptions {
  /** Threads. Default: one a core. */
  readonly threads?: number | undefined;
  /** The dtype that rebuilt weights are written in. Default: each tensor's own. */
  readonly dtype?: WeightDtype | undefined;
  /** How components are found. Default: the project's own eigensolver. */
  readonly engine?: Engine | undefined;
  /**
   * What every operation to come keeps. With it, large groups' components stay in memory, some three times the weights'
   * size: each further operation, the least kept first, then costs little more than its own components.
   */
  readonly budgets?: readonly Budget[] | undefined;
}

/** What is done to a group's matrix before it is decomposed. */
export type Preparation = Pick<FitOptions, 'center' | 'balance'>;

/** A group and how it is rebuilt. */
export interface Rebuild {
  readonly group: Group;
  readonly rebuilding: Rebuilding;
}

/** Called with the groups done so far and in all. */
export type OnProgress = (done: number, total: number) => void;

/** Starting a thread costs about as much as a Gram matrix of this size does on the spot. */
const worthAThread = 400;

/** Groups that may wait at a thread: enough for the time that a chunk of text takes. They hold no weights yet. */
const inLine = 4;

export class Fits {
  readonly checkpoint: Checkpoint;
  readonly #options: FitsOptions;
  /** Small matrices are decomposed faster than a thread is asked or a file looked up. */
  readonly #pool: WorkerPool | undefined;
  readonly #spectra = new Map<string, Promise<GroupSpectrum>>();
  /** Small groups' PCAs with all their components. */
  readonly #fitted = new Map<string, Promise<Fitted>>();
  /** Large groups' components, where they are to stay in memory. */
  readonly #prepared = new Map<string, Promise<Prepared>>();
  /** What was rebuilt last: the next operation often shares its q. */
  #last = new Map<string, RebuiltGroup>();

  constructor(checkpoint: Checkpoint, options: FitsOptions = {}) {
    this.checkpoint = checkpoint;
    this.#options = options;
    this.#pool = checkpoint.config.hiddenSize >= worthAThread ? new WorkerPool(options.threads, inLine) : undefined;
  }

  /** Whether threads do the work, so that something else can be done meanwhile. */
  get threaded(): boolean {
    return this.#pool !== undefined;
  }

  /** @throws SurgeryError `numeric`, by tensor name, for weights that are not finite */
  async spectra(groups: readonly Group[], how: Preparation, onProgress?: OnProgress): Promise<GroupSpectrum[]> {
    return this.#each(groups, onProgress, (group) => {
      const key = keyOf(group, how);
      const known = this.#spectra.get(key) ?? this.#spectrum(group, how);
      this.#spectra.set(key, known);
      return known;
    });
  }

  /** @throws SurgeryError `numeric`, by tensor name, for weights that are not finite or do not fit the dtype */
  async rebuild(wanted: readonly Rebuild[], how: Preparation, onProgress?: OnProgress): Promise<RebuiltGroup[]> {
    const rebuilt = await this.#each(wanted, onProgress, async ({ group, rebuilding }) => {
      const known = this.#last.get(rebuildKey(group, how, rebuilding));
      return known ?? (await this.#rebuild(group, how, rebuilding));
    });
    this.#last = new Map(
      wanted.flatMap(({ group, rebuilding }, i) => {
        const one = rebuilt[i];
        if (!one) return [];
        const byRank = { ...rebuilding, budget: { rank: one.rank } };
        return [rebuilding, byRank].map((each) => [rebuildKey(group, how, each), one] as const);
      }),
    );
    return rebuilt;
  }

  /** Principal angles between the row spaces of k and v of a layer. @throws SurgeryError as {@link spectra} */
  async angles(layer: number, kept: readonly AnglesAt[]): Promise<Angles[]> {
    const parts = (['k', 'v'] as const).map((projection) => ({ layer, projection }));
    const group = { name: 'kv', layer, parts };
    if (this.#pool) return this.#inThread<Angles[]>('principalAngles', group, kept);
    return principalAngles(await this.members(group), kept);
  }

  /** Weights of a group's parts. @throws SurgeryError `checkpoint` if they cannot be read */
  members(group: Group): Promise<Member[]> {
    return Promise.all(this.#sources(group).map(readMember));
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#pool?.close();
  }

  #spectrum(group: Group, how: Preparation): Promise<GroupSpectrum> {
    if (!this.#pool) return this.#fit(group, how).then(spectrumOf);
    if (this.#options.budgets) return this.#prepare(group, how, { rank: 0 }).then(({ spectrum }) => copied(spectrum));
    return this.#inThread<GroupSpectrum>('groupSpectrum', group, this.#fitOptions(how));
  }

  async #rebuild(group: Group, how: Preparation, rebuilding: Rebuilding): Promise<RebuiltGroup> {
    if (!this.#pool) return rebuildGroup(await this.members(group), await this.#fit(group, how), rebuilding);
    if (!this.#options.budgets || rebuilding.control?.kind === 'random-subspace')
      return this.#inThread<RebuiltGroup>('operateGroup', group, rebuilding, this.#fitOptions(how));
    const prepared = await this.#prepare(group, how, rebuilding.budget);
    // What a thread is given is gone from here until it comes back.
    type Both = Awaited<ReturnType<typeof rebuildPrepared>>;
    const done = this.#inThread<Both>('rebuildPrepared', group, prepared, rebuilding);
    const back = done.then((one) => one.prepared);
    back.catch(() => {}); // told by the rebuilding itself
    this.#prepared.set(keyOf(group, how), back);
    return (await done).rebuilt;
  }

  /** A large group's components for all budgets, and for one that may go beyond them. */
  async #prepare(group: Group, how: Preparation, budget: Budget): Promise<Prepared> {
    const key = keyOf(group, how);
    const known = await this.#prepared.get(key);
    if (known && rankFor(known.spectrum.explainedVarianceRatio, budget) <= known.leading.vectors.rows) return known;
    const budgets = [...(this.#options.budgets ?? []), budget];
    const prepared = this.#inThread<Prepared>('prepareGroup', group, budgets, this.#fitOptions(how));
    this.#prepared.set(key, prepared);
    return prepared;
  }

  #fit(group: Group, how: Preparation): Promise<Fitted> {
    const key = keyOf(group, how);
    const make = async () => fitGroup(await this.members(group), (ratio) => ratio.length, this.#fitOptions(how));
    const known = this.#fitted.get(key) ?? make();
    this.#fitted.set(key, known);
    return known;
  }

  #fitOptions(how: Preparation): FitOptions {
    return { engine: this.#options.engine ?? 'native', cache: this.#pool !== undefined, ...how };
  }

  #sources({ parts }: Group): Source[] {
    return parts.map(({ layer, projection, rows }) => {
      const name = projectionName(layer, projection);
      const [all = 0, cols = 0] = this.checkpoint.tensor(name).shape;
      const [from, to] = rows ?? [0, all];
      const dtype = this.checkpoint.weightDtype(name);
      return {
        ...{ projection, name, row: from, shape: [to - from, cols] as const },
        ...{ extent: this.checkpoint.extent(name, [from, to]), dtype, writeAs: this.#options.dtype ?? dtype },
      };
    });
  }

  /** The thread reads the weights itself, so that few are in memory at once and this one can be busy. */
  #inThread<T>(job: JobName, group: Group, ...parameters: unknown[]): Promise<T> {
    if (!this.#pool) throw new TypeError('there are no threads');
    const sources = this.#sources(group);
    return this.#pool.run<T>(new URL('./thread.ts', import.meta.url), job, () => [sources, ...parameters]);
  }

  /** All at once where there are threads for them, else one after the other. */
  async #each<A, B>(
    items: readonly A[],
    onProgress: OnProgress | undefined,
    call: (item: A) => Promise<B>,
  ): Promise<B[]> {
    let done = 0;
    const counted = async (item: A) => {
      const result = await call(item);
      onProgress?.(++done, items.length);
      return result;
    };
    if (this.#pool) return Promise.all(items.map(counted));
    const results: B[] = [];
    for (const item of items) results.push(await counted(item));
    return results;
  }
}

/** Apart from what threads take with them. */
function copied({ eigenvalues, explainedVarianceRatio, meanSquares }: GroupSpectrum): GroupSpectrum {
  return {
    eigenvalues: eigenvalues.slice(),
    explainedVarianceRatio: explainedVarianceRatio.slice(),
    meanSquares,
  };
}

function keyOf({ parts }: Group, { center, balance }: Preparation): string {
  return JSON.stringify([center, balance, parts.map(({ layer, projection, rows }) => [layer, projection, rows])]);
}

function rebuildKey(group: Group, how: Preparation, rebuilding: Rebuilding): string {
  return `${keyOf(group, how)} ${JSON.stringify(rebuilding)}`;
}
