// The PCAs of a checkpoint's groups, each fitted once however many operations ask for it, over the cores where the
// matrices are large enough to be worth a thread.
import { projectionName } from '../../checkpoint/names.ts';
import type { Checkpoint } from '../../checkpoint/reader.ts';
import { getOrMake } from '../../platform/indexing.ts';
import { inTurn, WorkerPool } from '../../platform/threads/pool.ts';
import { type OperatorSettings, worthThreads } from '../kind.ts';
import { type Angles, type AnglesAt, principalAngles } from './angles.ts';
import {
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
} from './group-pca.ts';
import type { Group } from './grouping.ts';
import { readMember, type Source } from './members.ts';
import { budgetOf, type PcaOperation, type RankBudget } from './spec.ts';
import type { JobName } from './thread.ts';

export interface DecompositionOptions extends Pick<OperatorSettings, 'threads' | 'dtype' | 'engine'> {
  /**
   * Budgets of all operations to come. With them, large groups' components stay in memory, some three times the weights'
   * size: each further operation, the least kept first, then costs little more than its own components.
   */
  readonly budgets?: readonly RankBudget[] | undefined;
}

/** What is done to a group's matrix before it is decomposed. */
export type Preprocessing = Pick<FitOptions, 'center' | 'balance'>;

/** A group and how it is rebuilt. */
export interface Rebuild {
  readonly group: Group;
  readonly rebuilding: Rebuilding;
}

/** Called with the groups done so far and in all. */
export type OnProgress = (done: number, total: number) => void;

/** Groups that may wait at a thread: enough for the time that a chunk of text takes. They hold no weights yet. */
const inLine = 4;

export class Decompositions {
  readonly checkpoint: Checkpoint;
  readonly #options: DecompositionOptions;
  /** Undefined for small matrices, which take less time to decompose than to hand to a thread or look up in a file. */
  readonly #pool: WorkerPool | undefined;
  readonly #spectra = new Map<string, Promise<GroupSpectrum>>();
  /** Small groups' PCAs with all their components. */
  readonly #fitted = new Map<string, Promise<Fitted>>();
  /** Large groups' components, where they are to stay in memory. */
  readonly #prepared = new Map<string, Promise<Prepared>>();
  #last: ReadonlyMap<string, RebuiltGroup> = new Map();
  #current = new Map<string, RebuiltGroup>();

  constructor(checkpoint: Checkpoint, options: DecompositionOptions = {}) {
    this.checkpoint = checkpoint;
    this.#options = options;
    this.#pool = checkpoint.config.hiddenSize >= worthThreads ? new WorkerPool(options.threads, inLine) : undefined;
  }

  /** Whether threads do the work, so that something else can be done meanwhile. */
  get threaded(): boolean {
    return this.#pool !== undefined;
  }

  /** @throws SurgeryError `numeric`, by tensor name, for weights that are not finite */
  async spectra(groups: readonly Group[], how: Preprocessing, onProgress?: OnProgress): Promise<GroupSpectrum[]> {
    let done = 0;
    return inTurn(groups, this.threaded, async (group) => {
      const spectrum = await getOrMake(this.#spectra, keyOf(group, how), () => this.#spectrum(group, how));
      onProgress?.(++done, groups.length);
      return spectrum;
    });
  }

  /** Forgets what was rebuilt before the last operation: the next one often shares the last one's q. */
  nextOperation(): void {
    this.#last = this.#current;
    this.#current = new Map();
  }

  /** @throws SurgeryError `numeric`, by tensor name, for weights that are not finite or do not fit the dtype */
  async rebuild({ group, rebuilding }: Rebuild, how: Preprocessing): Promise<RebuiltGroup> {
    const key = rebuildKey(group, how, rebuilding);
    const rebuilt = this.#last.get(key) ?? (await this.#rebuild(group, how, rebuilding));
    this.#current.set(key, rebuilt);
    this.#current.set(rebuildKey(group, how, { ...rebuilding, budget: { rank: rebuilt.rank } }), rebuilt);
    return rebuilt;
  }

  /** Principal angles between the row spaces of k and v of a layer. @throws SurgeryError as {@link spectra} */
  async angles(layer: number, kept: readonly AnglesAt[]): Promise<Angles[]> {
    const members = (['k', 'v'] as const).map((projection) => ({ layer, projection }));
    const group = { name: 'kv', layer, members };
    if (this.#pool) return this.#inThread<Angles[]>('principalAngles', group, kept);
    return principalAngles(await this.members(group), kept);
  }

  /** Weights of a group's members. @throws SurgeryError `checkpoint` if they cannot be read */
  members(group: Group): Promise<Member[]> {
    return Promise.all(this.#sources(group).map(readMember));
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#pool?.close();
  }

  #spectrum(group: Group, how: Preprocessing): Promise<GroupSpectrum> {
    if (!this.#pool) return this.#fit(group, how).then(spectrumOf);
    if (this.#options.budgets) return this.#prepare(group, how, { rank: 0 }).then(({ spectrum }) => copied(spectrum));
    return this.#inThread<GroupSpectrum>('groupSpectrum', group, this.#fitOptions(how));
  }

  async #rebuild(group: Group, how: Preprocessing, rebuilding: Rebuilding): Promise<RebuiltGroup> {
    if (!this.#pool) return rebuildGroup(await this.members(group), await this.#fit(group, how), rebuilding);
    if (!this.#options.budgets || rebuilding.control?.kind === 'random-subspace')
      return this.#inThread<RebuiltGroup>('operateGroup', group, rebuilding, this.#fitOptions(how));
    const prepared = await this.#prepare(group, how, rebuilding.budget);
    // What a thread is given is gone from here until it comes back.
    type Both = Awaited<ReturnType<typeof rebuildPrepared>>;
    const done = this.#inThread<Both>('rebuildPrepared', group, prepared, rebuilding);
    const back = done.then((one) => one.prepared);
    back.catch(() => {}); // the rebuilding reports it
    this.#prepared.set(keyOf(group, how), back);
    return (await done).rebuilt;
  }

  /** A large group's components for all budgets, and for one that may go beyond them. */
  async #prepare(group: Group, how: Preprocessing, budget: RankBudget): Promise<Prepared> {
    const key = keyOf(group, how);
    const known = await this.#prepared.get(key);
    if (known && rankFor(known.spectrum.explainedVarianceRatio, budget) <= known.leading.vectors.rows) return known;
    const budgets = [...(this.#options.budgets ?? []), budget];
    const prepared = this.#inThread<Prepared>('prepareGroup', group, budgets, this.#fitOptions(how));
    this.#prepared.set(key, prepared);
    return prepared;
  }

  #fit(group: Group, how: Preprocessing): Promise<Fitted> {
    return getOrMake(this.#fitted, keyOf(group, how), async () =>
      fitGroup(await this.members(group), (ratio) => ratio.length, this.#fitOptions(how)),
    );
  }

  #fitOptions(how: Preprocessing): FitOptions {
    return { engine: this.#options.engine ?? 'native', cache: this.#pool !== undefined, ...how };
  }

  #sources({ members }: Group): Source[] {
    return members.map(({ layer, projection, rows, edited }) => {
      const name = projectionName(layer, projection);
      const [all = 0, cols = 0] = this.checkpoint.tensor(name).shape;
      const [from, to] = rows ?? [0, all];
      const dtype = this.checkpoint.weightDtype(name);
      const weight = edited
        ? { values: edited.values.slice(from * cols, to * cols) }
        : { range: this.checkpoint.byteRange(name, [from, to]), dtype };
      return {
        projection,
        name,
        row: from,
        shape: [to - from, cols] as const,
        weight,
        writeAs: this.#options.dtype ?? dtype,
      };
    });
  }

  /** The thread reads the weights itself, so that few are in memory at once and this one can be busy. */
  #inThread<T>(job: JobName, group: Group, ...parameters: unknown[]): Promise<T> {
    if (!this.#pool) throw new TypeError('there are no threads');
    const sources = this.#sources(group);
    return this.#pool.run<T>(new URL('./thread.ts', import.meta.url), job, () => [sources, ...parameters]);
  }
}

/** A copy, since buffers that are passed to a thread are moved. */
function copied({ eigenvalues, explainedVarianceRatio, meanSquares }: GroupSpectrum): GroupSpectrum {
  return {
    eigenvalues: eigenvalues.slice(),
    explainedVarianceRatio: explainedVarianceRatio.slice(),
    meanSquares,
  };
}

function keyOf({ members }: Group, { center, balance }: Preprocessing): string {
  return JSON.stringify([
    center,
    balance,
    members.map(({ layer, projection, rows, edited }) => [layer, projection, rows, edited?.state]),
  ]);
}

function rebuildKey(group: Group, how: Preprocessing, rebuilding: Rebuilding): string {
  return `${keyOf(group, how)} ${JSON.stringify(rebuilding)}`;
}

/** The decompositions that all operations of a checkpoint share. */
export function decompositionsOf(checkpoint: Checkpoint, settings: OperatorSettings): Decompositions {
  const upcoming = settings.upcoming?.filter((one): one is PcaOperation => one.kind === 'pca');
  return new Decompositions(checkpoint, { ...settings, budgets: upcoming?.map(budgetOf) });
}
