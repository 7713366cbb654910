// The defaults of sampling, for the commands' help and for the library. It loads nothing, as help must be fast.
import type { Sampling } from './sampling.ts';

export const defaultSampling: Sampling = { temperature: 0.7, topP: 0.9, topK: 0, repetitionPenalty: 1 };
export const defaultMaxNewTokens = 100;
