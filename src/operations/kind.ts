// The contract of a kind of weight operation: its parameters, each described once, and how it edits weights layer by
// layer.
import type { z } from 'zod';
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { WeightDtype } from '../checkpoint/dtypes.ts';
import type { Activation } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import type { LayerStatistics } from '../runtime/statistics.ts';
import type { Documents } from '../text/encode-documents.ts';

/** One parameter of a kind, for options, recipe files, sweeps, tables and help. */
export interface Field<T> {
  /** The option on the command line: `--variance <t>`, or `--balance` for a flag. None: only studies set it. */
  readonly flags?: string;
  /** One line, lower case, without a full stop. */
  readonly help: string;
  /** The default in words, for help; and that of a sweep if it differs. */
  readonly default?: string;
  readonly sweepDefault?: string;
  /** Reads an option's text. @throws SurgeryError `usage` that names the option */
  readonly parse: (text: string) => T;
  /** How a sweep takes several values of it: between commas, or by repeating the option. None: it takes one. */
  readonly several?: 'commas' | 'repeat';
}

export type Fields<Spec> = { readonly [K in Exclude<keyof Spec, 'kind'>]-?: Field<NonNullable<Spec[K]>> };

/** The decisions made before any weight changes: at least which layers will change. */
export interface OperationPlan {
  readonly layers: readonly number[];
}

/** A layer's new weights. */
export interface Edit<Details> {
  /** Values by tensor name, row-major, exactly those that a file of their dtype holds. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** What the kind reports about this layer. */
  readonly details: Details;
}

/** Size and error of a variant, over all weights that its operations touch. */
export interface Footprint {
  /** Parameters of the touched matrices: dense, and as factors or without zeroed entries. */
  readonly parameters: { readonly dense: number; readonly reduced: number };
  /** Bytes of the same: dense in the checkpoint's dtype, reduced as the kind would store them. */
  readonly bytes: { readonly dense: number; readonly reduced: number };
  /** ‖W‖² of the touched matrices. */
  readonly squaredNorm: number;
  /** ‖Ŵ − W‖ / ‖W‖ in Frobenius norm over all touched matrices, and over k and v (null if neither is touched). */
  readonly relativeError: number;
  readonly relativeErrorKv: number | null;
  /** Mean rank of the groups. Null for operations without ranks. */
  readonly rank: number | null;
  /**
   * Width of the latent: the ranks of a layer's groups that hold k or v (of all groups if none does), mean over layers.
   */
  readonly width: number | null;
}

/** A footprint as a kind reports it. */
export interface KindFootprint extends Omit<Footprint, 'bytes'> {
  /** Bytes of what is kept. Without it: as many as the reduced parameters take in the checkpoint's dtype. */
  readonly storedBytes?: number;
}

/**
 * Parts of the calibration text, instead of all of it: one half, to see how much a fit depends on the text; or the same
 * tokens in a random order within each document, which keeps token frequencies and removes context.
 */
export const calibrationParts = ['first-half', 'second-half', 'permuted'] as const;
export type CalibrationPart = (typeof calibrationParts)[number];

/** The statistics that an operation needs, of the model as earlier operations of the recipe have left it. */
export interface CalibrationNeed {
  readonly layers: readonly number[];
  /** Inputs of projections. None if only the residual stream is needed. */
  readonly activations: readonly Activation[];
  /** Whether Σ x xᵀ is gathered, 8 · n² bytes for n inputs. Default: no. */
  readonly secondMoments?: boolean;
  /** Whether each document's first position, an attention sink in many models, is left out. Default: no. */
  readonly withoutFirst?: boolean;
  /** Default: all. */
  readonly part?: CalibrationPart | undefined;
  /**
   * Whether a block's statistics are gathered after the blocks before it have been edited. The ranks, heads or layers must
   * then follow from the operation alone, since `plan` runs before the first layer's statistics are known.
   */
  readonly sequential?: boolean;
}

/** The inputs of an operation. */
export interface OperationContext {
  readonly checkpoint: Checkpoint;
  /** The dtype that edited weights are rounded to. Undefined: each tensor's own. */
  readonly dtype: WeightDtype | undefined;
  /** Tensors that earlier operations of the recipe have changed, and a name for how: equal names, equal values. */
  readonly edited: ReadonlyMap<string, EditedTensor>;
  /** What operations of one checkpoint share, such as threads: made by the first that asks, closed with the operator. */
  shared<R extends Closable>(make: MakeShared<R>): R;
}

export interface EditedTensor {
  readonly values: Float32Array;
  readonly state: string;
}

export interface Closable {
  close(): Promise<void>;
}

export type MakeShared<R extends Closable> = (checkpoint: Checkpoint, settings: OperatorSettings) => R;

/** Below this hidden size the main thread does the work: starting a thread costs as much as a matrix. */
export const worthThreads = 400;

export interface OperatorSettings {
  /** Threads. Default: one a core. */
  readonly threads?: number | undefined;
  /** The dtype that edited weights are rounded to. Default: each tensor's own. */
  readonly dtype?: WeightDtype | undefined;
  /** Solver for principal components. Default: the project's own eigensolver. */
  readonly engine?: PcaEngine | undefined;
  /**
   * The calibration text, whose activations operations may use: texts, which are cut to the model's context, or token
   * ids with BOS first where the model has one. Default: none, and operations that need one are refused.
   */
  readonly calibration?: Documents | undefined;
  /** Bytes of memory that weights and activations may take while text is read, as in `Walk`. Default: half of what is free. */
  readonly memory?: number | undefined;
  /** Every operation to come, where what they share may stay in memory from one to the next. */
  readonly upcoming?: readonly { readonly kind: string }[] | undefined;
}

/** The project's own eigensolver, or the library ml-pca as a cross-check. */
export const pcaEngines = ['native', 'ml-pca'] as const;
export type PcaEngine = (typeof pcaEngines)[number];

/** Findings about an operation's result that decide the suggested next command. */
export interface Finding {
  /** Whether a milder one is worth trying: the loss is severe, or the model broken. */
  readonly isSevere: boolean;
  /** Whether it is one of a sweep's, so that other budgets have been tried. */
  readonly isSwept: boolean;
  /** Layers that do not break the model, where only some do. */
  readonly sound?: readonly number[];
}

/** Units of a model that a kind can cut one at a time. */
export const modelUnits = ['head', 'kv-head', 'neuron-group', 'attention', 'mlp', 'block'] as const;
export type ModelUnit = (typeof modelUnits)[number];

/** One unit of a model. */
export interface UnitPart<Spec> {
  readonly layer: number;
  /** As options name it: "2.5". */
  readonly name: string;
  /** Fields of an operation that cuts this unit. To cut all units at once, their lists are joined. */
  readonly spec: Partial<Spec>;
}

/** A sweep: several values for some fields of a kind, fixed values for others. */
export interface SweepRequest<Spec> {
  /** The values to try of each field. */
  readonly varied: { readonly [K in keyof Spec]?: readonly NonNullable<Spec[K]>[] };
  readonly fixed: Partial<Spec>;
  /** Budgets at which each shared cell gets a separate partner: `width`, `parameters`, `error` or `variance`. */
  readonly match: readonly string[];
  readonly controls: boolean;
}

/** The cells of a sweep, and which of them are compared. Numbers are indices into `cells`. */
export interface SweepPlan<Operation> {
  readonly cells: readonly Operation[];
  /** Pairs of cells at an equal threshold, rank or budget. */
  readonly pairs: readonly PlannedPair[];
  readonly controls: readonly PlannedControl[];
}

export interface PlannedPair {
  readonly rule: string;
  readonly cell: number;
  readonly partner: number;
}

export interface PlannedControl {
  readonly control: string;
  readonly cell: number;
  /** The cell that it is a control of. Undefined for a control of the whole sweep. */
  readonly of?: number;
}

/**
 * A kind of operation: the part that loads fast, for help and completion. A variant is a set of tensors: whatever
 * else a kind may offer, these are what is written, scored and compared with a reference.
 */
export interface OperationKind<
  Spec extends { readonly kind: string },
  Complete extends Spec,
  Plan extends OperationPlan,
  Details,
  Report extends { readonly kind: string },
  Digest = undefined,
> {
  readonly name: Spec['kind'];
  /** One line, for help. */
  readonly summary: string;
  readonly fields: Fields<Spec>;
  /** Defaults filled in, lists in order. @throws SurgeryError `usage` for what this model cannot do */
  complete(spec: Spec, config: LlamaConfig): Complete;
  /** Names of the tensors that it changes. */
  touches(operation: Complete, config: LlamaConfig): string[];
  /** The statistics of the calibration text that it needs. Without them the text is not read. */
  needs?(operation: Complete, config: LlamaConfig): CalibrationNeed | undefined;
  /** The operation in one line, without parameters at their defaults. @param layers of the model */
  describe(operation: Complete, layers: number): string;
  /** The operation in a few words, for tables. */
  label(operation: Complete, layers: number): string;
  /** Names the chart line of cells that differ only in their budget. Without it each cell has its own. */
  series?(operation: Complete, layers: number): string;
  /** For the name of a results folder: all that differs from the default, in a few words. @param layers of the model */
  slug(operation: Complete, layers: number): string;
  /** How the edited weights could be stored in less room, such as "stored as factors". Without it they could not. */
  readonly stored?: string;
  /**
   * A command that goes further from a result of this operation: its words without the program's and the model's name.
   * @param layers of the model
   */
  next(operation: Complete, found: Finding, layers: number): string;
  /** Fields that say how much is kept, of which an operation has one. Without them the kind has no budget. */
  readonly budgets?: readonly Exclude<keyof Spec, 'kind'>[];
  /** The units that a sensitivity study operates on one at a time. Without it: layers and projections. */
  units?(by: ModelUnit, config: LlamaConfig): readonly UnitPart<Spec>[];
  /** Cells, matched partners and controls of a sweep. Without it: every combination of what is varied, and no pairs. */
  design?(request: SweepRequest<Spec>, config: LlamaConfig): SweepPlan<Complete | { readonly kind: 'none' }>;
  /** Checks what it has reported when a file is read back: an object schema with its `kind`. */
  reportSchema(): Promise<z.ZodType<Report>>;
  /** Loads the part that computes. */
  load(): Promise<OperationWork<Complete, Plan, Details, Report, Digest>>;
}

/** The part of a kind that computes. */
export interface OperationWork<Complete, Plan extends OperationPlan, Details, Report, Digest = undefined> {
  /**
   * What it keeps of a layer's statistics, which are freed afterwards: something small, or a handle to what it has stored
   * elsewhere. Called for the layers of `needs`, in their order.
   */
  digest?(operation: Complete, statistics: LayerStatistics, context: OperationContext): Promise<Digest>;
  /**
   * Decides everything that does not need edited weights: ranks, heads, layers.
   * @param digests by layer. For a sequential operation the map is still empty; a layer's digest is added before `apply`
   */
  plan(operation: Complete, context: OperationContext, digests: ReadonlyMap<number, Digest>): Promise<Plan>;
  apply(plan: Plan, layer: number, context: OperationContext): Promise<Edit<Details>>;
  /** All layers' details, in the order of the layers, as result files hold them. */
  report(operation: Complete, details: readonly Details[]): Report;
  /** Null if the operation changes nothing. */
  footprint(report: Report): KindFootprint | null;
}
