// The JSON that commands print with `--json` but write to no file: plain objects, numbers unrounded.
import type { Mode } from '../operations/pca/grouping.ts';
import type { Spectrum } from '../operations/pca/spectrum.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { Precision } from '../runtime/precision.ts';
import type { Int8Cost } from '../scores/int8-cost.ts';
import type { ScoredText } from '../scores/likelihood.ts';
import type { Comparison, Score } from '../scores/registry.ts';
import type { TaskScores } from '../scores/tasks.ts';
import type { format } from './format.ts';
import type { CalibrationInfo, ModelInfo, SamplingInfo } from './shapes.ts';

export interface Sample {
  readonly variant: 'original' | 'operated';
  readonly prompt: string;
  /** The prompt as read back from its tokens, and what follows it. */
  readonly text: string;
  /** Only what follows. */
  readonly completion: string;
  /** What each new token adds to it. */
  readonly pieces: readonly string[];
  /** The prompt and what follows it. */
  readonly ids: readonly number[];
  /** The stop token, where it came first. */
  readonly end?: { readonly token: string; readonly logprob: number };
  readonly tokensPerSecond: number;
}

export interface GenerateResult {
  readonly format: typeof format;
  /** Makes the result again. */
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly model: ModelInfo;
  /** Of the variant that wrote the samples, if it was one. */
  readonly recipe?: CompleteRecipe;
  /** What the variant is fitted to, if it is. */
  readonly calibration?: CalibrationInfo;
  readonly sampling: SamplingInfo;
  readonly precision: Precision;
  readonly notes?: readonly string[];
  readonly samples: readonly Sample[];
}

export interface EvalResult {
  readonly format: typeof format;
  /** Makes the result again. */
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly model: ModelInfo;
  readonly base?: ModelInfo;
  /** Of the variant that was scored, if it was one. */
  readonly recipe?: CompleteRecipe;
  /** What the variant is fitted to, if it is. */
  readonly calibration?: CalibrationInfo;
  readonly precision: Precision;
  /** Of the base, where another model or the original is one. */
  readonly basePrecision?: Precision;
  /** Of the token ids of the documents. */
  readonly documentsSha256: string;
  readonly scores: ScoredText & (Score | Comparison);
  /** Of the base, if there is one. */
  readonly baseScores?: Score;
  readonly tasks?: TaskScores & { readonly file: string; readonly rule: string };
}

export interface InspectResult {
  readonly format: typeof format;
  readonly model: ModelInfo;
  readonly tensors: readonly {
    readonly name: string;
    /** Of a layer's tensor. */
    readonly layer?: number;
    readonly shape: readonly number[];
    readonly dtype: string;
    readonly parameters: number;
  }[];
  readonly mode: Mode;
  readonly thresholds: readonly number[];
  readonly spectra: readonly Spectrum[];
}

/** A text as a model reads it. */
export interface InspectedText {
  readonly format: typeof format;
  readonly model: ModelInfo;
  readonly text: ScoredText;
  /** Of the token ids of the documents. */
  readonly documentsSha256: string;
  readonly documents: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

/** What `surgery doctor --json` prints. Sizes in bytes. */
export interface Diagnosis {
  readonly format: typeof format;
  readonly versions: Readonly<Record<string, string>>;
  readonly platform: string;
  readonly processor: { readonly model: string; readonly cores: number; readonly instructions: readonly string[] };
  /** 10⁹ operations a second in float32 products, where the native library can be loaded. */
  readonly gigaflops?: number;
  readonly memory: { readonly total: number; readonly free: number };
  readonly folders: readonly FolderFinding[];
  /** The default model when the Hub is not reachable. */
  readonly defaultModel: { readonly ref: string; readonly runs: string };
  /** Parameters of the largest model that fits into the free memory to write text, roughly. */
  readonly fits: { readonly fp32: number; readonly int8: number };
  /** Of the model that was named: its parameters, bytes of memory to write text and, at least, to read it, and what int8 costs. */
  readonly model?: {
    readonly ref: string;
    readonly parameters: number;
    readonly text: { readonly fp32: number; readonly int8: number };
    readonly reading: { readonly fp32: number; readonly int8: number };
    readonly int8: Int8Cost;
  };
  readonly problems: readonly string[];
}

export interface FolderFinding {
  readonly name: 'results' | 'cache' | 'models';
  readonly path: string;
  readonly writable: boolean;
  /** Of the files in it. */
  readonly bytes: number;
  /** On its disk, for this user, where the file system tells. */
  readonly free?: number;
}

/** A model of the Hub in the cache. */
export interface PullResult {
  readonly format: typeof format;
  readonly ref: string;
  readonly path: string;
  readonly commit: string;
  readonly files: readonly {
    readonly path: string;
    readonly bytes: number;
    /** What names the bytes: SHA-256 of a large file, Git's own SHA-1 of a small one. */
    readonly hash: string;
  }[];
  readonly bytes: number;
  /** Bytes that came over the network. */
  readonly received: number;
}
