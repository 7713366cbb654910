// surgery unlikely: whether directions of tokens that cannot come next are used for something else inside.
import type { UnlikelyResult } from '../analyses/unlikely/result.ts';
import { unlikelyRule, unlikelyTokens } from '../analyses/unlikely/unlikely.ts';
import { lineChartSvg } from '../report/svg.ts';
import { unlikelyCharts, unlikelyText } from '../report/terminal/unlikely.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { findingInfo, requireFindings, withReport, writeFindings } from './analysis-output.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { FindingOptions, ModelOptions, ScoringOptions, WritingOptions } from './options.ts';
import type { OperationRequest } from './recipes.ts';
import { scoringInput } from './scoring.ts';
import { openVariants, wantedRecipe } from './variants.ts';

export type UnlikelyOptions = ModelOptions &
  WritingOptions &
  FindingOptions &
  Omit<ScoringOptions, 'tasks' | 'questions'> & { readonly operation: OperationRequest };

export async function unlikely(options: UnlikelyOptions, command: string): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const recipe = await wantedRecipe(options, model);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const { documents, about } = await scoringInput(options, model, tokenizer);
  await requireFindings(options, 'unlikely');
  const { runtime, variants } = await openVariants(options, recipe, model, options, progress);
  const told: UnlikelyResult['variants'][number][] = [];
  for (const variant of variants) {
    const { value } = await progress.step(`Reading the text, ${variant.name}`, 'tokens', (onProgress) =>
      unlikelyTokens(documents, variant, { seed: options.seed, bosId: tokenizer.bosId }, onProgress),
    );
    told.push({ variant: variant.name, ...value });
  }
  await runtime.close();
  const { text, maxTokens, intervalRule } = about;
  const result: UnlikelyResult = {
    ...findingInfo(options, command, await identify(model, progress), recipe, documents),
    text: { text, documents: documents.length, maxTokens, rule: unlikelyRule, intervalRule },
    variants: told,
  };
  const charts = async () => ({ 'unlikely.svg': await lineChartSvg(unlikelyCharts(result)) });
  await writeFindings(options, 'unlikely', result, charts, progress);
  print(options, result, () => withReport(unlikelyText(result, options.output), options));
}
