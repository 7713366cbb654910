// What a statistic of the lens is: its value at one position, how result files hold it, and how it is shown. A new one is a
// file like kl.ts and a line in registry.ts.

/** One lens alone. */
export interface LensAlone {
  /** Of its distribution, in nats. */
  readonly entropy: number;
}

/** A row of the lens's logits next to the last point's distribution at the same position. */
export interface LensAgainstLast {
  readonly finalEntropy: number;
  /** Mean of the lens's logits under the last point's distribution. */
  readonly expectedLogit: number;
  /** Logit of the token that the last point finds likeliest, and its rank: 1 + the number of tokens that the lens finds likelier. */
  readonly finalLogit: number;
  readonly rankFinal: number;
  /** Rank of the token read at the position. */
  readonly rankInput: number;
}

/** Statistics of the uniform distribution. */
export interface Uniform {
  readonly entropy: number;
  readonly kl: number;
  readonly probability: number;
  readonly rank: number;
}

/** @param finalEntropy of the last point's distribution, bits */
export function uniformOf(vocabulary: number, finalEntropy: number): Uniform {
  const entropy = Math.log2(vocabulary);
  return { entropy, kl: entropy - finalEntropy, probability: 1 / vocabulary, rank: (vocabulary + 1) / 2 };
}

/** A statistic at single positions, and its mean over those of a text. */
export interface Statistic<Reading = never> {
  /** In tables. */
  readonly label: string;
  /** In a terminal's tables. Default: the label. */
  readonly shortLabel?: string;
  /** What its numbers are, and so their format, their axis and where intervals end. */
  readonly values: 'entropy' | 'divergence' | 'share' | 'rank';
  /** The value at a position. */
  readonly at: (reading: Reading) => number;
  /** The value of {@link at} with the natural logarithm of the lens's Σ exp(logits), which is known later. */
  readonly normalised?: (value: number, logSum: number) => number;
  readonly uniform: (of: Uniform) => number;
  /** Whether older files lack it. */
  readonly isNew?: true;
  /** How a prompt shows it, position by position; without it, its cells lack it, as it follows from others. */
  readonly prompt?: PromptWords;
  /** How a text shows it, as a mean; without it, it is in the result file alone. */
  readonly text?: TextWords;
}

export interface PromptWords {
  /** In a sentence, where the label does not say all. */
  readonly formula?: string;
  /** The token that it is of. */
  readonly token?: string;
  /** Whether a terminal's table has it, too. */
  readonly onTerminal?: true;
  /** The colour of the map whose tooltips say it, and how. */
  readonly tip: readonly [colour: string, words: (shown: string) => string];
  /** For the uniform distribution, whose entropy of the last point is not known. Default: the value alone. */
  readonly uniformWords?: (shown: string) => string;
  /** A map of its own. */
  readonly map?: {
    /** The value's name on the command line. */
    readonly colour: string;
    /** In a terminal. */
    readonly words: string;
    readonly title: string;
    readonly reading: string;
  };
}

export interface TextWords {
  readonly title: string;
  readonly unit: string;
  /** Whether the brief table of a terminal has it, and whether with its value for shuffled positions. */
  readonly brief?: 'with baseline' | 'alone';
  /** Whether a terminal shows its interval. */
  readonly showsInterval?: true;
  /** What it does not show. */
  readonly notShown?: string;
}

type Of<Reading> = <const S extends Statistic<Reading>>(statistic: S) => S & Statistic<Reading>;

/** Gives a statistic of one lens alone its types. */
export const alone: Of<LensAlone> = (statistic) => statistic;
/** Gives a statistic of a lens and the last point's its types. */
export const againstLast: Of<LensAgainstLast> = (statistic) => statistic;
