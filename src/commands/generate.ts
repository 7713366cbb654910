// surgery generate: a model continues prompts; the text streams as it comes.

import { endOf } from '../experiments/run-cells.ts';
import { generateTogether } from '../generate/generate.ts';
import { itemAt } from '../platform/indexing.ts';
import { endText } from '../report/cells.ts';
import { counted, printable } from '../report/format.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { format } from '../results/format.ts';
import type { GenerateResult, Sample } from '../results/outputs.ts';
import { pipedIn } from '../text/standard-input.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { calibrationInput } from './calibration.ts';
import type { GenerateOptions } from './command-options.ts';
import { sayInt8 } from './int8.ts';
import { identify, openModel, print, progressOf, versions } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { generateSettings, samplePrompts, samplingInfo, withNotes } from './samples.ts';
import { openVariant, optionalRecipe } from './variants.ts';

export async function generate(options: GenerateOptions, command: Recorded): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { checkpoint } = model;
  const tokenizer = await Tokenizer.open(checkpoint);
  const asked = await withPipedPrompt(options, progress);
  const { prompts, info: prompting, notes, chosen } = await samplePrompts(asked, tokenizer, checkpoint);
  const recipe = await optionalRecipe(options, model);
  const calibrated = await calibrationInput(options, model, tokenizer, recipe ? [recipe] : []);
  await sayInt8(options, model, progress);
  const { runtime, weights } = await openVariant({ ...options, calibrated }, recipe, model, progress);
  for (const note of notes) progress.say(printable(note));
  const show = (text: string) => {
    if (!options.json) process.stdout.write(process.stdout.isTTY ? printable(text) : text);
  };
  // Only the first prompt's text streams. The others are generated in the same batch and printed at the end.
  const streams = prompts.map(({ ids }) => tokenizer.stream(ids));
  // A template's markers are tokens that the model read.
  const pieces = prompts.map(({ text, ids, isChat }) => [isChat ? text : tokenizer.decode(ids)]);
  const put = (i: number, text: string) => (i === 0 ? show(text) : void pieces[i]?.push(text));
  show(itemAt(pieces, 0).join(''));
  const generated = await generateTogether(
    runtime,
    prompts.map(({ ids }, i) => ({
      prompt: ids,
      ...(weights ? { weights } : {}),
      onToken: (id) => put(i, itemAt(streams, i).push(id)),
    })),
    generateSettings(options, runtime.checkpoint),
  );
  const samples: Sample[] = [];
  for (const [i, { ids, promptTokens, tokensPerSecond, end }] of generated.entries()) {
    const { text: prompt, ids: promptIds } = itemAt(prompts, i);
    show(`${i === 0 ? '' : pieces[i]?.join('')}${streams[i]?.flush()}\n`);
    const ended = endOf(end, tokenizer);
    const rate = tokensPerSecond > 0 ? `, ${tokensPerSecond.toFixed(1)} per second` : '';
    progress.say(`(${ended.end ? endText(ended.end) : `${counted(ids.length - promptTokens, 'token')}${rate}`})`);
    samples.push({
      variant: recipe ? 'operated' : 'original',
      prompt,
      ...tokenizer.continuation(promptIds, ids),
      ids,
      ...ended,
      tokensPerSecond,
    });
  }
  await runtime.close();
  if (!options.json) return;
  const result: GenerateResult = {
    format,
    command: command({ '--model': model.pinned, ...calibrated?.chosen, ...chosen }),
    versions: versions(),
    model: await identify(model, progress),
    ...(recipe ? { recipe } : {}),
    ...(calibrated ? { calibration: calibrated.info } : {}),
    sampling: samplingInfo(options, prompting),
    precision: options.precision,
    ...withNotes(notes),
    samples,
  };
  print(options, result, () => '');
}

/** The options, with the prompt that is piped in where they name none. */
async function withPipedPrompt(options: GenerateOptions, progress: Progress): Promise<GenerateOptions> {
  if (options.prompt !== undefined || options.chat !== undefined) return options;
  const found = await pipedIn();
  if (found === 'silence') progress.say('(nothing came from standard input in a second; --prompt - waits for it)');
  return found === 'text' ? { ...options, prompt: ['-'] } : options;
}
