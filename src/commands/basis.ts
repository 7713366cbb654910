// surgery basis: an ordered basis of the embedding or the unembedding, and how much of each map lies along it.

import { type Basis, makeBasis, type Near, nearestTokens } from '../analyses/basis/bases.ts';
import { basisRules } from '../analyses/basis/methods.ts';
import type { BasisResult } from '../analyses/basis/result.ts';
import type { OfBoth } from '../analyses/probe/baselines.ts';
import { weightOver } from '../analyses/probe/over-depth.ts';
import { countLabels, splitRules } from '../analyses/probe/splits.ts';
import { weightShares } from '../analyses/probe/weight-spectrum.ts';
import { type Positions, positionRule, probedPositions } from '../analyses/recorded-residuals.ts';
import { matrixNames, readEmbedding, readUnembedding, type VocabularyMatrix } from '../analyses/vocabulary.ts';
import type { LlamaConfig } from '../checkpoint/config.ts';
import { centred } from '../linalg/rows.ts';
import { SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { lineChartSvg } from '../report/svg.ts';
import { basisCharts, basisText } from '../report/terminal/basis.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { record } from './activations.ts';
import { analysisInfo, requireAnalysisOutput, withReport, writeAnalysis } from './analysis-output.ts';
import type { BasisOptions } from './command-options.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { scoringInput, textRead } from './scoring.ts';
import { optionalRecipe } from './variants.ts';

/** Tokens to list at each end of a component. */
const listed = 8;

export async function basis(options: BasisOptions, command: Recorded): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { config } = model.checkpoint;
  const { of, method, seed, sparsity } = options;
  const components = componentsOf(options, config);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const recipe = await optionalRecipe(options, model);
  const scoring = await scoringInput(options, model, tokenizer);
  const { documents, about } = scoring;
  const positions = probedPositions(documents, about.text, tokenizer.bosId);
  await requireAnalysisOutput(options, 'basis');
  const info = await identify(model, progress);
  const recorded = await record(options, recipe, model, { documents, bosId: tokenizer.bosId }, progress);
  try {
    const matrices = { embed: await readEmbedding(model.checkpoint), unembed: await readUnembedding(model.checkpoint) };
    const { value: made } = await progress.step(`A basis of ${matrixNames[of]}`, 'components', (onProgress) =>
      makeBasis(matrices[of], {
        method,
        components,
        seed,
        sparsity,
        onProgress,
        byFrequency: byFrequency(positions, config.vocabSize),
      }),
    );
    const weights: { variant: 'original' | 'operated'; points: number[][] }[] = [];
    for (const { name, activations } of recorded.variants) {
      const { value: points } = await progress.step(`Probing the ${name} model`, 'points', (advance) =>
        weightOver(activations, positions, made.directions, seed, advance),
      );
      weights.push({ variant: name, points });
    }
    const result: BasisResult = {
      ...analysisInfo(options, command({ '--model': model.pinned, ...scoring.chosen }), info, recipe, scoring),
      text: { ...textRead(about), positions: positions.rows },
      rules: {
        basis: basisRules[method],
        matrix: matrixNames[of],
        positions: positionRule(tokenizer.bosId !== undefined),
        split: splitRules.positions,
      },
      of,
      method,
      hidden: config.hiddenSize,
      points: recorded.points,
      ...(method === 'dictionary' ? { sparsity } : {}),
      reconstruction: made.reconstruction,
      ...(made.dictionary ? { dictionary: made.dictionary } : {}),
      components: await describe(made, matrices, of, weights, tokenizer),
    };
    const charts = async () => ({ 'basis.svg': await lineChartSvg(basisCharts(result)) });
    await writeAnalysis(options, 'basis', result, charts, progress);
    print(options, result, () => withReport(basisText(result, options.full ?? false, options.output), options));
  } finally {
    await recorded.close();
  }
}

/** @throws SurgeryError `usage` for a number of directions outside the method's range */
function componentsOf({ method, components }: BasisOptions, { hiddenSize, vocabSize }: LlamaConfig): number {
  const refuse = (allowed: string): never => {
    throw new SurgeryError('usage', `--components is ${components}, ${method} allows ${allowed} on this model`);
  };
  if (method === 'dictionary') {
    const wanted = components ?? Math.min(2 * hiddenSize, vocabSize);
    if (wanted <= hiddenSize || wanted > vocabSize)
      refuse(`more than the hidden size, ${hiddenSize}, up to the vocabulary's ${vocabSize}`);
    return wanted;
  }
  const most = method === 'nmf' ? Math.min(vocabSize, 2 * hiddenSize) : hiddenSize;
  if (components !== undefined && components > most) refuse(`1 to ${most}`);
  return components ?? Math.min(64, hiddenSize);
}

/** All token ids, most frequent in the text first. */
function byFrequency({ input }: Positions, vocabulary: number): number[] {
  const counts = countLabels(input);
  return [...Array(vocabulary).keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || a - b);
}

/** For each direction: the nearest tokens, and the share of each map's weight along it. */
async function describe(
  { directions, tokens }: Basis,
  matrices: OfBoth<Awaited<ReturnType<typeof readEmbedding>>>,
  of: VocabularyMatrix,
  weights: readonly { readonly variant: 'original' | 'operated'; readonly points: readonly (readonly number[])[] }[],
  tokenizer: Tokenizer,
): Promise<BasisResult['components']> {
  const near = await nearestTokens(matrices[of], directions, listed);
  const embed = await weightShares(centred(matrices.embed), directions);
  const unembed = await weightShares(centred(matrices.unembed), directions);
  const named = (list: readonly Near[]) =>
    list.map(({ token, cosine }) => ({ id: token, ...tokenizer.spelled(token), cosine }));
  return near.map(({ nearest, farthest }, k) => ({
    component: k + 1,
    ...(tokens?.[k] === undefined ? {} : { from: tokenizer.piece(tokens[k]), fromShown: tokenizer.shown(tokens[k]) }),
    nearest: named(nearest),
    farthest: named(farthest),
    shares: { embed: embed[k] as number, unembed: unembed[k] as number },
    probe: weights.map(({ variant, points }) => ({ variant, points: points.map((shares) => itemAt(shares, k)) })),
  }));
}
