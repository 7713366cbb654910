// What run, sweep and sensitivity measure models on: documents, questions, prompts, and the text that operations are calibrated on.
import type { Measurement } from '../experiments/run-cells.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import type { Study } from '../results/study.ts';
import { scoredTokens } from '../scores/likelihood.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { type CalibrationInput, calibrationInput } from './calibration.ts';
import type { RunOptions, StudyOptions } from './command-options.ts';
import type { OpenModel } from './model.ts';
import type { Choices } from './recorded-command.ts';
import { generateSettings, noPrompts, type Prompts, samplePrompts } from './samples.ts';
import { type ScoringInput, scoringInput } from './scoring.ts';

export interface MeasurementInput {
  readonly tokenizer: Tokenizer;
  readonly prompting: Prompts;
  readonly scoring: ScoringInput;
  readonly calibrated: CalibrationInput | undefined;
  readonly measurement: Measurement;
  /** How results name the texts and the questions. */
  readonly read: Pick<Study, 'text' | 'calibration' | 'tasks'>;
  /** What the command was given and what it chose itself, for the recorded command. */
  readonly chosen: Choices;
}

/** @throws SurgeryError as {@link samplePrompts}, {@link scoringInput} and {@link calibrationInput} do */
export async function measurementInput(
  options: RunOptions | StudyOptions,
  model: OpenModel,
  recipes: readonly CompleteRecipe[],
): Promise<MeasurementInput> {
  const { checkpoint } = model;
  const tokenizer = await Tokenizer.open(checkpoint);
  const prompting = options.samples ? await samplePrompts(options, tokenizer, checkpoint) : noPrompts;
  const scoring = await scoringInput(options, model, tokenizer);
  const { documents, about, tasks } = scoring;
  const calibrated = await calibrationInput(options, model, tokenizer, recipes, documents);
  return {
    tokenizer,
    prompting,
    scoring,
    calibrated,
    measurement: {
      documents,
      tasks: tasks?.questions ?? [],
      prompts: prompting.prompts,
      generation: generateSettings(options, checkpoint),
    },
    read: {
      text: { ...about, tokens: scoredTokens(documents) },
      ...(calibrated && { calibration: calibrated.info }),
      ...(tasks && { tasks: { file: tasks.file, rule: tasks.rule } }),
    },
    chosen: { '--model': model.pinned, ...scoring.chosen, ...calibrated?.chosen, ...prompting.chosen },
  };
}
