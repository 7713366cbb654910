// Token trees: a beginning that several sequences share, read once, and how each of them goes on. A tree lies in one
// sequence: the prefix, then the branches one after the other. A mask keeps a branch from seeing those before it, so that
// each computes what it would alone.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { isPlainObject, requireArgument } from '../../platform/arguments.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { itemAt } from '../../platform/indexing.ts';
import { requireIds } from '../../text/token-ids.ts';
import type { Places, RowBatch } from './batches.ts';

/** Token ids that several sequences begin with, and how each goes on. A branch may be empty. */
export interface TokenTree {
  readonly prefix: readonly number[];
  readonly branches: readonly (readonly number[])[];
}

/** A tree as one sequence. */
export interface LaidTree {
  readonly ids: readonly number[];
  /** Tokens of the prefix. */
  readonly prefix: number;
  /** For each token where its branch begins; for those of the prefix, where the prefix ends. */
  readonly starts: readonly number[];
}

/** @throws SurgeryError `usage` for what are no trees, `text` for one without a prefix or with a branch beyond the context */
export function requireTrees(
  trees: readonly unknown[],
  config: Pick<LlamaConfig, 'vocabSize' | 'contextLength'>,
): asserts trees is readonly TokenTree[] {
  requireArgument('trees', trees, {
    words: 'a list of token trees, {prefix, branches}',
    test: (value) => Array.isArray(value) && value.every((one) => isPlainObject(one) && Array.isArray(one.branches)),
  });
  for (const [i, { prefix, branches }] of (trees as readonly TokenTree[]).entries()) {
    const name = `tree ${i + 1}`;
    requireIds(`${name}: the prefix`, prefix, config);
    for (const [j, branch] of branches.entries()) requireIds(`${name}: branch ${j + 1}`, branch, config);
    if (prefix.length === 0)
      throw new SurgeryError('text', `${name} has an empty prefix: nothing precedes its branches`);
    const longest = longestOf({ prefix, branches });
    const { contextLength } = config;
    if (longest > contextLength)
      throw new SurgeryError(
        'text',
        `${name} has ${longest} tokens to a branch's end, the model's context is ${contextLength}: leave it out`,
      );
  }
}

/** Tokens of the longest of a tree's sequences. */
export const longestOf = ({ prefix, branches }: TokenTree) =>
  prefix.length + Math.max(0, ...branches.map(({ length }) => length));

export function layOut({ prefix, branches }: TokenTree): LaidTree {
  const ids = [...prefix];
  const starts = prefix.map(() => prefix.length);
  for (const branch of branches) {
    const start = ids.length;
    for (const id of branch) {
      ids.push(id);
      starts.push(start);
    }
  }
  return { ids, prefix: prefix.length, starts };
}

/** A token's position in its own sequence, which the rotation depends on: a branch's go on from the prefix. */
export const positionIn = ({ prefix, starts }: LaidTree, token: number) => prefix + token - itemAt(starts, token);

/**
 * What a batch of trees adds to the scores of attention, (batch, 1, tokens, total): -∞ where a token must not see one
 * before it, otherwise 0. That none sees a later one is the attention's own doing.
 * @param window positions that a token sees, its own included
 * @param into numbers to use again, as many as there are
 */
export function attentionBias(
  { pieces }: RowBatch,
  { tokens, total }: Places,
  trees: readonly LaidTree[],
  window = Number.POSITIVE_INFINITY,
  into = new Float32Array(pieces.length * tokens * total),
): Float32Array {
  const bias = into.fill(0);
  for (const [i, { document, from, to }] of pieces.entries()) {
    const tree = itemAt(trees, document);
    for (let token = from; token < to; token++) {
      const begin = (i * tokens + token - from) * total;
      const hide = (first: number, end: number) => bias.fill(Number.NEGATIVE_INFINITY, begin + first, begin + end);
      const start = itemAt(tree.starts, token);
      hide(tree.prefix, start);
      const outside = positionIn(tree, token) - window + 1; // positions that the window has left behind
      if (outside > 0) hide(0, Math.min(outside, tree.prefix));
      if (outside > tree.prefix) hide(start, start + outside - tree.prefix);
    }
  }
  return bias;
}
