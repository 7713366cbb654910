// surgery generate: a model continues prompts; the text streams as it comes.
import { generateTogether } from '../measure/generate.ts';
import { printable } from '../report/format.ts';
import { type GenerateResult, type Sample, schema } from '../report/results.ts';
import { Runtime } from '../runtime/session.ts';
import { Tokenizer } from '../runtime/tokenizer.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { ModelOptions, SamplingOptions } from './options.ts';
import { generateSettings, kept, samplePrompts, samplingInfo } from './samples.ts';

export type GenerateOptions = ModelOptions & SamplingOptions;

export async function generate(options: GenerateOptions): Promise<void> {
  const progress = progressOf(options);
  const { checkpoint, info } = await openModel(options.model, options);
  const tokenizer = await Tokenizer.open(checkpoint);
  const { prompts, info: prompting, notes } = await samplePrompts(options, tokenizer, checkpoint);
  const { value: runtime } = await progress.step(`Loading ${info.ref} into onnxruntime`, 'weights', (onProgress) =>
    Runtime.open(checkpoint, { precision: options.precision, threads: options.threads, onProgress }),
  );
  for (const note of notes) progress.say(note);
  const show = (text: string) => {
    if (!options.json) process.stdout.write(process.stdout.isTTY ? printable(text) : text);
  };
  // The first prompt's text streams; the others', which are made beside it, follow when all are done.
  const streams = prompts.map(({ ids }) => tokenizer.stream(ids));
  const pieces = prompts.map(({ ids }) => [tokenizer.decode(ids)]);
  const put = (i: number, text: string) => (i === 0 ? show(text) : void pieces[i]?.push(text));
  show(pieces[0]?.join('') ?? '');
  const generated = await generateTogether(
    runtime,
    prompts.map(({ ids }, i) => ({ prompt: ids, onToken: (id) => put(i, streams[i]?.push(id) ?? '') })),
    generateSettings(options, runtime),
  );
  const samples: Sample[] = [];
  for (const [i, { ids, promptTokens, tokensPerSecond }] of generated.entries()) {
    const { text: prompt = '', ids: promptIds = [] } = prompts[i] ?? {};
    show(`${i === 0 ? '' : pieces[i]?.join('')}${streams[i]?.flush()}\n`);
    progress.say(`(${ids.length - promptTokens} tokens, ${tokensPerSecond.toFixed(1)} a second)`);
    samples.push({ variant: 'original', prompt, ...tokenizer.continuation(promptIds, ids), ids, tokensPerSecond });
  }
  await runtime.close();
  if (!options.json) return;
  const result: GenerateResult = {
    schema,
    model: await identify({ checkpoint, info }, progress),
    sampling: samplingInfo(options, prompting),
    precision: options.precision,
    ...kept(notes),
    samples,
  };
  print(options, result, () => '');
}
