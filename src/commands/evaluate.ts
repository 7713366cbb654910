// surgery eval: how well a model predicts text and answers questions, alone or against a base model.
import { SurgeryError } from '../platform/errors.ts';
import { evalText } from '../report/terminal/text.ts';
import { format } from '../results/format.ts';
import type { EvalResult } from '../results/outputs.ts';
import { scoreWalked } from '../scores/walked.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { calibrationInput } from './calibration.ts';
import type { EvalOptions } from './command-options.ts';
import { sayInt8 } from './int8.ts';
import { identify, type OpenModel, openModel, print, progressOf, versions } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { scoringInput } from './scoring.ts';
import { sayMemory } from './session.ts';
import { optionalRecipe } from './variants.ts';
import { walkModel } from './walked.ts';

export async function evaluate(options: EvalOptions, command: Recorded): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const base = options.base === undefined ? undefined : await openModel(options.base, options);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const scoring = await scoringInput(options, model, tokenizer, base);
  if (base) await requireSameTokens(base, model, scoring.about.maxTokens);
  const recipe = await optionalRecipe(options, model);
  const { tasks, documents } = scoring;
  const calibrated = await calibrationInput(options, model, tokenizer, recipe ? [recipe] : [], documents);
  const fitting = { ...options, calibrated };
  sayMemory(options, model, progress);
  await sayInt8(options, model, progress);
  const walked = await walkModel(fitting, recipe, model, documents, progress, tasks?.questions);
  // The reference is always exact: --base with the model itself then measures what int8 costs.
  const exact = { ...options, precision: 'fp32' } as const;
  const reference = base && (await walkModel(exact, undefined, base, documents, progress));
  const ours = walked.variant ?? walked.original;
  // Without --base, a variant is compared with its original.
  const theirs = reference?.original ?? (recipe ? walked.original : undefined);
  const scored = { documents, checkpoint: model.checkpoint };
  const { value: scores } = await progress.step('Scoring', 'tokens', (onProgress) =>
    scoreWalked(scored, theirs ?? ours, theirs ? [ours] : [], onProgress),
  );
  const answered =
    tasks && (await progress.step('Answering', 'questions', (onProgress) => walked.answer(ours, onProgress)));
  await walked.close();
  await reference?.close();
  const result: EvalResult = {
    format,
    command: command({ '--model': model.pinned, '--base': base?.pinned, ...scoring.chosen, ...calibrated?.chosen }),
    versions: versions(),
    model: await identify(model, progress),
    ...(theirs ? { base: await identify(base ?? model, progress) } : {}),
    ...(recipe ? { recipe } : {}),
    ...(calibrated ? { calibration: calibrated.info } : {}),
    precision: options.precision,
    ...(theirs ? { basePrecision: reference ? 'fp32' : options.precision } : {}),
    documentsSha256: scoring.documentsSha256,
    scores: { ...scoring.about, tokens: scores.tokens, ...(scores.variants[0] ?? scores.original) },
    ...(theirs ? { baseScores: scores.original } : {}),
    ...(tasks && answered ? { tasks: { ...answered.value, file: tasks.file, rule: tasks.rule } } : {}),
  };
  print(options, result, () => evalText(result));
}

/** KL compares distributions over the same tokens, so the vocabularies must agree. @throws SurgeryError `usage` */
async function requireSameTokens(base: OpenModel, model: OpenModel, maxTokens: number): Promise<void> {
  const [a, b] = [base.checkpoint.config, model.checkpoint.config];
  const probe = 'The 3 quick brown foxes, again: naïve!';
  const encode = async ({ checkpoint }: OpenModel) => (await Tokenizer.open(checkpoint)).encode(probe).join();
  if (a.vocabSize !== b.vocabSize || (await encode(base)) !== (await encode(model))) {
    throw new SurgeryError(
      'usage',
      `--base ${base.info.ref} has another tokenizer than ${model.info.ref}: KL needs the same tokens`,
    );
  }
  if (a.contextLength < maxTokens) {
    throw new SurgeryError(
      'usage',
      `--base reads ${a.contextLength} tokens, documents are cut to ${maxTokens}: give --max-tokens ${a.contextLength}`,
    );
  }
}
