// What commands hand over to be shown or written as JSON: plain objects, numbers unrounded.
import type { WeightDtype } from '../checkpoint/dtypes.ts';
import type { Mode } from '../operations/pca/grouping.ts';
import type { Spectrum } from '../operations/pca/spectrum.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { format } from '../results/format.ts';
import type { Precision } from '../runtime/session.ts';
import type { Comparison, Score, ScoredText } from '../scores/likelihood.ts';
import type { TaskScores } from '../scores/tasks.ts';

export interface ModelInfo {
  /** The reference as given, or `pocket`. */
  readonly ref: string;
  readonly path: string;
  readonly architecture: string;
  readonly layers: number;
  readonly parameters: number;
  readonly dtype: WeightDtype;
  /** Of the safetensors files, one after the other. */
  readonly sha256: string;
  /** Why this model stands in for the default one, if it does. */
  readonly notice?: string;
}

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
  readonly tokensPerSecond: number;
}

/** What prompts were put into the chat template with. */
export interface PromptInfo {
  /** The system message before each of them. */
  readonly system?: string;
  /** SHA-256 of the conversations of a file. */
  readonly chat?: string;
}

export interface SamplingInfo extends PromptInfo {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly repetitionPenalty: number;
  readonly seed: number;
  readonly maxNewTokens: number;
}

export interface GenerateResult {
  readonly format: typeof format;
  readonly model: ModelInfo;
  /** Of the variant that wrote the samples, if it was one. */
  readonly recipe?: CompleteRecipe;
  readonly sampling: SamplingInfo;
  readonly precision: Precision;
  readonly notes?: readonly string[];
  readonly samples: readonly Sample[];
}

export interface EvalResult {
  readonly format: typeof format;
  readonly model: ModelInfo;
  readonly base?: ModelInfo;
  /** Of the variant that was scored, if it was one. */
  readonly recipe?: CompleteRecipe;
  readonly precision: Precision;
  readonly scores: ScoredText & (Score | Comparison);
  readonly tasks?: TaskScores & { readonly file: string; readonly rule: string };
}

export interface InspectResult {
  readonly format: typeof format;
  readonly model: ModelInfo;
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly dtype: string;
    readonly parameters: number;
  }[];
  readonly mode: Mode;
  readonly thresholds: readonly number[];
  readonly spectra: readonly Spectrum[];
}

/** What the results of the commands that look inside begin with. */
export interface FindingInfo {
  readonly format: typeof format;
  /** By which it can be made again. */
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly model: ModelInfo;
  readonly precision: Precision;
  /** Of the variant that is compared with the original, if there is one. */
  readonly recipe?: CompleteRecipe;
  /** Of all random draws. */
  readonly seed: number;
  /** SHA-256 of the token ids of the documents that were read, if there were any. */
  readonly documentsSha256?: string;
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
  /** What runs where no model is named and the Hub is not asked. */
  readonly defaultModel: { readonly ref: string; readonly runs: string };
  /** Parameters of the largest model that fits into the free memory, roughly. */
  readonly fits: { readonly fp32: number; readonly int8: number };
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
