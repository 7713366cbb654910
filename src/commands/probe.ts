// surgery probe: how much of the input token linear probes recover at each point of the residual stream.

import { type OfBoth, type ProbeSetup, probeSetup } from '../analyses/probe/baselines.ts';
import { evaluationRule } from '../analyses/probe/evaluation.ts';
import { resemblanceRule } from '../analyses/probe/matrix-similarity.ts';
import { probeDepth, runs } from '../analyses/probe/over-depth.ts';
import type { ProbeResult } from '../analyses/probe/result.ts';
import { splitRules } from '../analyses/probe/splits.ts';
import { inRuns, weightShares } from '../analyses/probe/weight-spectrum.ts';
import { type Positions, positionRule, probedPositions } from '../analyses/recorded-residuals.ts';
import { matrixNames, readEmbedding, readUnembedding } from '../analyses/vocabulary.ts';
import { centred } from '../linalg/rows.ts';
import { principalComponents } from '../linalg/subspaces.ts';
import { heatMapSvg, lineChartSvg } from '../report/svg.ts';
import { probeCharts, probeText, weightMap } from '../report/terminal/probe.ts';
import type { Advance } from '../report/terminal/progress.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { record } from './activations.ts';
import { analysisInfo, type Files, requireAnalysisOutput, withReport, writeAnalysis } from './analysis-output.ts';
import { calibrationInput } from './calibration.ts';
import type { ProbeOptions } from './command-options.ts';
import { identify, type OpenModel, openModel, print, progressOf } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { scoringInput, textRead } from './scoring.ts';
import { optionalRecipe } from './variants.ts';

export async function probe(options: ProbeOptions, command: Recorded): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const recipe = await optionalRecipe(options, model);
  const scoring = await scoringInput(options, model, tokenizer);
  const { documents, about } = scoring;
  const calibrated = await calibrationInput(options, model, tokenizer, recipe ? [recipe] : [], documents);
  const positions = probedPositions(documents, about.text, tokenizer.bosId);
  await requireAnalysisOutput(options, 'probe');
  const info = await identify(model, progress);
  const recorded = await record(
    { ...options, calibrated },
    recipe,
    model,
    { documents, bosId: tokenizer.bosId },
    progress,
  );
  try {
    const {
      value: { setup, ownShares },
    } = await progress.step('Preparing bases and chance', 'steps', (advance) =>
      prepare(model, positions, options.seed, advance),
    );
    const variants: ProbeResult['variants'][number][] = [];
    for (const { name, activations } of recorded.variants) {
      const { value } = await progress.step(`Probing the ${name} model`, 'points', (advance) =>
        probeDepth(activations, recorded.points, setup, advance),
      );
      variants.push({ variant: name, ...value });
    }
    const result: ProbeResult = {
      ...analysisInfo(options, command, model, info, { recipe, scoring, calibrated }),
      text: { ...textRead(about), positions: positions.rows },
      rules: {
        positions: positionRule(tokenizer.bosId !== undefined),
        split: `${splitRules.positions}; ${splitRules.types}`,
        reading: evaluationRule,
        resemblance: resemblanceRule,
        intervals: about.intervalRule,
        matrices: matrixNames,
      },
      points: recorded.points,
      compared: setup.compared.length,
      ownShares,
      variants,
    };
    await writeAnalysis(options, 'probe', result, () => chartsOf(result), progress);
    print(options, result, () => withReport(probeText(result, options.full ?? false, options.output), options));
  } finally {
    await recorded.close();
  }
}

/** The baselines that all variants are compared with, and how each matrix's weight is spread over each basis. */
async function prepare(
  { checkpoint }: OpenModel,
  positions: Positions,
  seed: number,
  advance: Advance,
): Promise<{ setup: ProbeSetup; ownShares: ProbeResult['ownShares'] }> {
  const matrices = { embed: await readEmbedding(checkpoint), unembed: await readUnembedding(checkpoint) };
  const steps = 3;
  const embed = await principalComponents(matrices.embed);
  advance(1, steps);
  const bases = { embed, unembed: await principalComponents(matrices.unembed) };
  advance(2, steps);
  const own = { embed: centred(matrices.embed), unembed: centred(matrices.unembed) };
  const along = async (basis: (typeof bases)['embed']): Promise<OfBoth<number[]>> => ({
    embed: inRuns(await weightShares(own.embed, basis), runs),
    unembed: inRuns(await weightShares(own.unembed, basis), runs),
  });
  return {
    setup: await probeSetup(positions, matrices, bases, seed, (share) => advance(2 + share, steps)),
    ownShares: { embed: await along(bases.embed), unembed: await along(bases.unembed) },
  };
}

/** Curves over depth, and for each variant a heat map of the probes' weight over each matrix's components. */
async function chartsOf(result: ProbeResult): Promise<Files> {
  const files: Record<string, string> = {
    'probe-depth.svg': await lineChartSvg(probeCharts(result)),
  };
  for (const variant of result.variants) {
    for (const basis of ['embed', 'unembed'] as const) {
      const name = variant.variant === 'original' ? basis : `${basis}-${variant.variant}`;
      files[`probe-weight-${name}.svg`] = await heatMapSvg(weightMap(result, variant, basis));
    }
  }
  return files;
}
