// What a study leaves behind: a line a cell, and what follows from all of them. No clock time and no path in either.
import type { Projection } from '../checkpoint/names.ts';
import type { LayerReport } from '../decompose/operate.ts';
import type { Control, Settled } from '../decompose/operation.ts';
import type { Curve } from '../decompose/spectrum.ts';
import type { ByDocument, Comparison, Interval, Score, ScoredText } from '../measure/score.ts';
import type { TaskScores } from '../measure/tasks.ts';
import type { Kept, PairRule, Unit } from './grid.ts';

/** Everything beside the operation that decides a cell's result. */
export interface Context {
  /** Of the meaning of cells: changes when they are made in another way. */
  readonly format: 2;
  readonly versions: Readonly<Record<string, string>>;
  /** SHA-256 of the model's weights. */
  readonly model: string;
  readonly precision: string;
  readonly engine: string;
  readonly dtype: string;
  /** SHA-256 of the token ids of the documents, of the questions if there are any, and of the prompts. */
  readonly documents: string;
  readonly tasks: string | null;
  readonly prompts: string | null;
  /** How samples are drawn; null without samples. */
  readonly sampling: object | null;
}

export interface StudySample {
  readonly prompt: string;
  readonly text: string;
  readonly completion: string;
  /** What each new token adds to the completion. */
  readonly pieces: readonly string[];
  readonly ids: readonly number[];
  /** Log-probability of each new token under the model that wrote it: nats, before temperature and nucleus. */
  readonly logprobs: readonly number[];
}

/** A cell's sample, with what it takes to tell how every token's probability moved. */
export interface CellSample extends StudySample {
  /** The original's log-probabilities of this text's new tokens. */
  readonly underOriginal: readonly number[];
  /** This cell's log-probabilities of the new tokens that the original wrote after the same prompt. */
  readonly ofOriginal: readonly number[];
}

/** How much a cell keeps and loses, over all its groups. */
export interface Extent {
  /** Mean rank of a group. */
  readonly rank: number;
  /** Mean over layers of the ranks of the groups that hold k or v, or of all where none does: the width of the latent. */
  readonly width: number;
  readonly parameters: { readonly dense: number; readonly factored: number };
  /** Frobenius norm of all errors together over that of all weights, and of those of k and v. */
  readonly relativeError: number;
  readonly relativeErrorKv: number | null;
}

/** A line of cells.jsonl. */
export interface CellResult {
  readonly id: string;
  readonly operation: Settled;
  readonly extent: Extent | null;
  readonly layers: readonly LayerReport[];
  readonly scores: Comparison;
  readonly byDocument: ByDocument & { readonly kl: readonly number[] };
  readonly tasks?: TaskScores;
  readonly samples: readonly CellSample[];
}

export interface OriginalResult {
  readonly scores: Score;
  readonly byDocument: ByDocument;
  readonly tasks?: TaskScores;
  readonly samples: readonly StudySample[];
}

/** The difference of two cells, the first less the second, token-weighted over documents. */
export interface Difference {
  readonly deltaNll: number;
  readonly interval: Interval;
  readonly deltaKl: number;
  readonly intervalKl: Interval;
}

/** A cell and its partner; the difference is missing as long as one of them is. */
export interface PairResult {
  readonly rule: PairRule;
  /** Cells, by their names. */
  readonly cell: string;
  readonly partner: string;
  /** The cell less its partner. */
  readonly difference: Difference | null;
  /** For `error`: whether the partner reaches the shared cell's error. Dropped means may forbid it. */
  readonly met: boolean | null;
}

export interface ControlResult {
  readonly control: Control;
  readonly cell: string;
  /** The cell it is held against; null for a control that belongs to no threshold. */
  readonly of: string | null;
  /** The control less that cell. */
  readonly difference: Difference | null;
}

/** Leading row spaces of a layer's k and v, beside random subspaces of the same dimensions. */
export interface AngleResult {
  readonly layer: number;
  readonly variance: number;
  readonly dimensions: readonly [k: number, v: number];
  /** Mean of the squared cosines of the principal angles, and the largest cosine. */
  readonly meanSquaredCosine: number;
  readonly largestCosine: number;
  /** The same of random subspaces: the mean, and the largest of all draws. */
  readonly random: {
    readonly draws: number;
    readonly meanSquaredCosine: number;
    readonly mostMeanSquaredCosine: number;
    readonly largestCosine: number;
  };
}

/** The sum of the parts' effects beside the effect of all at once, Δnll in nats. */
export interface Additivity {
  readonly joint: number;
  readonly sum: number;
  readonly difference: number;
  readonly interval: Interval;
}

/** study.json. */
export interface Study {
  readonly schema: 1;
  readonly kind: 'sweep' | 'sensitivity';
  /** Whether every cell is there. */
  readonly complete: boolean;
  readonly command: string;
  readonly model: {
    readonly ref: string;
    readonly architecture: string;
    readonly layers: number;
    readonly parameters: number;
    readonly dtype: string;
    readonly sha256: string;
  };
  readonly context: Context;
  readonly text: ScoredText;
  readonly tasks?: { readonly file: string; readonly rule: string };
  /** The grid's cells by name, in order. */
  readonly cells: readonly string[];
  readonly original: OriginalResult | null;
  /** What in the model's files makes its texts other than one would expect, a line each. */
  readonly notes?: readonly string[];
  readonly pairs: readonly PairResult[];
  readonly controls: readonly ControlResult[];
  readonly angles: readonly AngleResult[];
  /** The spectrum of each group of the cells that are no controls. */
  readonly curves: readonly Curve[];
  readonly sensitivity?: SensitivityResult;
}

export interface SensitivityResult {
  readonly by: Unit;
  readonly kept: readonly Kept[];
  readonly rows: readonly {
    readonly layers: readonly number[];
    readonly targets: readonly Projection[];
    /** Cells by name, one a threshold. */
    readonly cells: readonly string[];
  }[];
  /** Everything at once, one a threshold. */
  readonly joint: readonly string[];
  /** One a threshold; null as long as a cell is missing. */
  readonly additivity: readonly (Additivity | null)[];
}
