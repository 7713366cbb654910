// surgery basis: an ordered basis of the embedding or the unembedding, and how much of each map lies along it.

import { makeBasis } from '../analyses/basis/bases.ts';
import { basisRules } from '../analyses/basis/methods.ts';
import { byFrequency, componentCount, describeBasis } from '../analyses/basis/of-checkpoint.ts';
import type { BasisResult } from '../analyses/basis/result.ts';
import { weightOver } from '../analyses/probe/over-depth.ts';
import { splitRules } from '../analyses/probe/splits.ts';
import { positionRule, probedPositions } from '../analyses/recorded-residuals.ts';
import { matrixNames, readEmbedding, readUnembedding } from '../analyses/vocabulary.ts';
import { lineChartSvg } from '../report/svg.ts';
import { basisCharts, basisText } from '../report/terminal/basis.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { record } from './activations.ts';
import { analysisInfo, requireAnalysisOutput, withReport, writeAnalysis } from './analysis-output.ts';
import { calibrationInput } from './calibration.ts';
import type { BasisOptions } from './command-options.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { scoringInput, textRead } from './scoring.ts';
import { optionalRecipe } from './variants.ts';

export async function basis(options: BasisOptions, command: Recorded): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { config } = model.checkpoint;
  const { of, method, seed, sparsity } = options;
  const components = componentCount(options, config, '--components');
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const recipe = await optionalRecipe(options, model);
  const scoring = await scoringInput(options, model, tokenizer);
  const { documents, about } = scoring;
  const calibrated = await calibrationInput(options, model, tokenizer, recipe ? [recipe] : [], documents);
  const positions = probedPositions(documents, about.text, tokenizer.bosId);
  await requireAnalysisOutput(options, 'basis');
  const info = await identify(model, progress);
  const recorded = await record(
    { ...options, calibrated },
    recipe,
    model,
    { documents, bosId: tokenizer.bosId },
    progress,
  );
  try {
    const matrices = { embed: await readEmbedding(model.checkpoint), unembed: await readUnembedding(model.checkpoint) };
    const { value: made } = await progress.step(`A basis of ${matrixNames[of]}`, '%', (advance) =>
      makeBasis(matrices[of], {
        method,
        components,
        seed,
        sparsity,
        // A smaller basis is made before each larger one.
        onProgress: (done, total) => advance(Math.floor((100 * done) / total), 100),
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
      ...analysisInfo(options, command, model, info, { recipe, scoring, calibrated }),
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
      components: await describeBasis(made, matrices, of, weights, tokenizer),
    };
    const charts = async () => ({ 'basis.svg': await lineChartSvg(basisCharts(result)) });
    await writeAnalysis(options, 'basis', result, charts, progress);
    print(options, result, () => withReport(basisText(result, options.full ?? false, options.output), options));
  } finally {
    await recorded.close();
  }
}
