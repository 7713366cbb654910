// The scores of documents. A new one is a file and a line here.
import { z } from 'zod';
import { deltaP } from './delta-p.ts';
import { kl } from './kl.ts';
import { nll, withPerplexity } from './nll.ts';
import { sameTop } from './same-top.ts';
import type { FieldsOf, Shape } from './score.ts';

/** In the order of tables and CSV files. */
export const tokenScores = { nll, kl, deltaP, sameTop };

type TokenScores = (typeof tokenScores)[keyof typeof tokenScores];
/** Of a union of types: what is all of them at once. */
type Together<T> = (T extends unknown ? (one: T) => void : never) extends (all: infer All) => void ? All : never;

const merged = (of: (score: TokenScores) => object | undefined) =>
  Object.assign({}, ...Object.values(tokenScores).map(of)) as unknown;
const fields = <K extends keyof Shape>(part: K) =>
  merged(({ shape }: { readonly shape: Shape }) => shape[part]) as Together<FieldsOf<TokenScores['shape'], K>>;

export const quantities = merged((score) => score.quantities) as Together<TokenScores['quantities']>;

const alone = z.object(fields('alone'));
const intervals = z.object(fields('intervals')).readonly();

/** What result files hold of a model alone, and of a variant compared with the original. */
export const scoreShapes = {
  alone: alone.transform(withPerplexity),
  compared: alone.extend({ ...fields('compared'), intervals }).transform(withPerplexity),
};

/** Means over scored tokens. */
export type Score = Readonly<z.output<typeof scoreShapes.alone>>;
export type Comparison = Readonly<z.output<typeof scoreShapes.compared>>;
