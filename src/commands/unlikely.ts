// surgery unlikely: whether the model reuses the directions of tokens that almost never come next.
import type { UnlikelyResult } from '../analyses/unlikely/result.ts';
import { unlikelyRule, unlikelyTokens } from '../analyses/unlikely/unlikely.ts';
import { lineChartSvg } from '../report/svg.ts';
import { unlikelyCharts, unlikelyText } from '../report/terminal/unlikely.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { openLens } from './activations.ts';
import { analysisInfo, requireAnalysisOutput, withReport, writeAnalysis } from './analysis-output.ts';
import { calibrationInput } from './calibration.ts';
import type { UnlikelyOptions } from './command-options.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { scoringInput, textRead } from './scoring.ts';
import { optionalRecipe } from './variants.ts';

export async function unlikely(options: UnlikelyOptions, command: Recorded): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const recipe = await optionalRecipe(options, model);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const scoring = await scoringInput(options, model, tokenizer);
  const { documents, about } = scoring;
  const calibrated = await calibrationInput(options, model, tokenizer, recipe ? [recipe] : [], documents);
  await requireAnalysisOutput(options, 'unlikely');
  const sources = await openLens({ ...options, calibrated }, recipe, model, documents, progress);
  const measured: UnlikelyResult['variants'][number][] = [];
  try {
    for (const variant of sources.models) {
      const { value } = await progress.step(`Reading the text twice, ${variant.name}`, 'tokens', (onProgress) =>
        unlikelyTokens(documents, variant, { seed: options.seed, bosId: tokenizer.bosId }, onProgress),
      );
      measured.push({ variant: variant.name, ...value });
    }
  } finally {
    await sources.close();
  }
  const { intervalRule } = about;
  const result: UnlikelyResult = {
    ...analysisInfo(options, command, model, await identify(model, progress), { recipe, scoring, calibrated }),
    text: { ...textRead(about), rule: unlikelyRule(tokenizer.bosId !== undefined), intervalRule },
    variants: measured,
  };
  const charts = async () => ({ 'unlikely.svg': await lineChartSvg(unlikelyCharts(result)) });
  await writeAnalysis(options, 'unlikely', result, charts, progress);
  print(options, result, () => withReport(unlikelyText(result, options.full ?? false, options.output), options));
}
