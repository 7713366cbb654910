// surgery lens: the logit lens at every point of the residual stream, for prompts and averaged over a text.

import { promptLens } from '../analyses/lens/of-checkpoint.ts';
import { depthProfiles, depthRule } from '../analyses/lens/over-text.ts';
import type { LensOfText, LensResult, PromptLens } from '../analyses/lens/result.ts';
import type { LensSource } from '../analyses/lens/source.ts';
import { pointsOf } from '../graph/taps.ts';
import { heatMapSvg, lineChartSvg } from '../report/svg.ts';
import { lensCharts, lensMap, lensText, stepCharts } from '../report/terminal/lens.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { openLens } from './activations.ts';
import { analysisInfo, type Files, requireAnalysisOutput, withReport, writeAnalysis } from './analysis-output.ts';
import { calibrationInput } from './calibration.ts';
import type { LensOptions } from './command-options.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { noPrompts, type Prompt, promptsOf, withNotes } from './samples.ts';
import { type ScoringInput, scoringInput, textRead } from './scoring.ts';
import { optionalRecipe } from './variants.ts';

export async function lens(options: LensOptions, command: Recorded): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { checkpoint } = model;
  const recipe = await optionalRecipe(options, model);
  const tokenizer = await Tokenizer.open(checkpoint);
  const readsPrompts = options.prompt !== undefined || options.chat !== undefined || options.text === undefined;
  const isVerbatim = options.chat === undefined && options.system === undefined;
  const prompting = readsPrompts ? await promptsOf({ ...options, raw: isVerbatim }, tokenizer, checkpoint) : noPrompts;
  const scoring = options.text === undefined ? undefined : await scoringInput(options, model, tokenizer);
  const calibrated = await calibrationInput(options, model, tokenizer, recipe ? [recipe] : [], scoring?.documents);
  await requireAnalysisOutput(options, 'lens');
  const documents = [...prompting.prompts.map(({ ids }) => ids), ...(scoring?.documents ?? [])];
  const sources = await openLens({ ...options, calibrated }, recipe, model, documents, progress);
  const ofPrompts: PromptLens[] = [];
  let text: LensOfText | undefined;
  try {
    for (const prompt of prompting.prompts)
      ofPrompts.push(await lensOfPrompt(options, prompt, sources.models, tokenizer, progress));
    text = scoring && (await lensOfText(options, scoring, sources.models, tokenizer, progress));
  } finally {
    await sources.close();
  }
  const result: LensResult = {
    ...analysisInfo(options, command, model, await identify(model, progress), {
      recipe,
      scoring,
      calibrated,
      prompting,
    }),
    points: pointsOf(checkpoint.config.layers, options.sublayers),
    vocabulary: checkpoint.config.vocabSize,
    ...prompting.info,
    prompts: ofPrompts,
    ...withNotes([...prompting.notes, ...(readsPrompts && isVerbatim ? verbatimNotes(tokenizer) : [])]),
    ...(text ? { text } : {}),
  };
  await writeAnalysis(options, 'lens', result, () => chartsOf(result, options.colour), progress);
  print(options, result, () => withReport(lensText(result, options), options));
}

/** How prompts are read that are not in the chat template. */
function verbatimNotes(tokenizer: Tokenizer): string[] {
  const { bosId, hasChatTemplate } = tokenizer;
  return [
    bosId === undefined
      ? "No BOS comes first, as in transformers: the model's tokenizer adds none."
      : `${tokenizer.shown(bosId)} comes first, as the model's tokenizer adds it.`,
    ...(hasChatTemplate ? ['--chat wraps prompts in the chat template.'] : []),
  ];
}

async function lensOfPrompt(
  { topTokens }: LensOptions,
  { text, ids }: Prompt,
  variants: readonly LensSource[],
  tokenizer: Tokenizer,
  progress: Progress,
): Promise<PromptLens> {
  const { value } = await progress.step('Reading the prompt', 'tokens', (onProgress) =>
    promptLens(variants, ids, topTokens, tokenizer, onProgress),
  );
  return { prompt: text, ...value };
}

async function lensOfText(
  { seed }: LensOptions,
  { documents, about }: ScoringInput,
  variants: readonly LensSource[],
  tokenizer: Tokenizer,
  progress: Progress,
): Promise<LensOfText> {
  const { value } = await progress.step('Reading the text', 'tokens', (onProgress) =>
    depthProfiles(documents, variants, { seed, bosId: tokenizer.bosId }, onProgress),
  );
  const { profiles, positions, sampled } = value;
  return {
    ...textRead(about),
    rule: depthRule(tokenizer.bosId !== undefined),
    intervalRule: about.intervalRule,
    positions,
    sampled,
    variants: profiles.map((profile, i) => ({ variant: variants[i]?.name ?? 'original', ...profile })),
  };
}

/** A heat map for each prompt and variant, and the text's curves over depth. */
async function chartsOf(result: LensResult, colour: string): Promise<Files> {
  const files: Record<string, string> = {};
  for (const [i, prompt] of result.prompts.entries()) {
    for (const { variant } of prompt.variants) {
      const name = ['lens', ...(i > 0 ? [i + 1] : []), ...(variant === 'original' ? [] : [variant])].join('-');
      files[`${name}.svg`] = await heatMapSvg(lensMap(result, prompt, variant, colour));
    }
  }
  if (!result.text) return files;
  files['lens-depth.svg'] = await lineChartSvg(lensCharts(result.text));
  files['lens-steps.svg'] = await lineChartSvg(stepCharts(result.text));
  return files;
}
