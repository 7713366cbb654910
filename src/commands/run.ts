// surgery run: one experiment. Operate, write, generate before and after, score, report.
import { join } from 'node:path';
import { writeFileSafely, writeFolderSafely } from '../checkpoint/files.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { checkpointBytes } from '../checkpoint/shards.ts';
import { requireSpace } from '../checkpoint/space.ts';
import { writeCheckpoint } from '../checkpoint/writer.ts';
import { type LayerReport, operate } from '../decompose/operate.ts';
import type { Operation, Settled } from '../decompose/operation.ts';
import { continuationLogprobs } from '../measure/continuation.ts';
import { generateTogether } from '../measure/generate.ts';
import { type Model, scoreDocuments } from '../measure/score.ts';
import { type Question, scoreTasks } from '../measure/tasks.ts';
import { runPage } from '../report/html/run-page.ts';
import type { Progress } from '../report/progress.ts';
import { type ModelInfo, type OperationInfo, type RunResult, type RunSample, schema } from '../report/results.ts';
import { runText } from '../report/text.ts';
import type { Weights } from '../runtime/sequence.ts';
import { Runtime } from '../runtime/session.ts';
import { Tokenizer } from '../runtime/tokenizer.ts';
import { closingLines } from './closing.ts';
import { identify, type OpenModel, openModel, print, progressOf, versions } from './model.ts';
import { operationInfo, operationOf, touched } from './operations.ts';
import type { ModelOptions, OperationOptions, OutputOptions, SamplingOptions, ScoringOptions } from './options.ts';
import { requireOutput, resultsFolder, slugOf, takeOutput } from './output.ts';
import { generateSettings, kept, type Prompt, samplePrompts, samplingInfo } from './samples.ts';
import { type ScoringInput, scoringInput } from './scoring.ts';
import { pageName } from './showing.ts';

export type RunOptions = ModelOptions & OperationOptions & SamplingOptions & ScoringOptions & OutputOptions;

export async function run(options: RunOptions, command: string): Promise<void> {
  const start = performance.now();
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const whole = operationOf(options, model.checkpoint.config);
  const operation = operationInfo(whole, model.checkpoint.config);
  const { prompts, info: prompting, notes } = await samplePrompts(options, tokenizer, model.checkpoint);
  const scoring = await scoringInput(options, model, tokenizer);
  await requireOutput(options);
  await requireRoom(options, model.checkpoint);

  const info = await identify(model, progress);
  const { dtype = info.dtype } = options;
  const decomposed = await decompose(options, whole, model, progress);
  const { tensors, layers, curves } = decomposed.value;
  const loaded = await load(options, whole, model, progress);
  const runtime = loaded.value;

  const output = await takeOutput(options, await nameOf(whole, info));
  let result: RunResult | undefined;
  const fill = async (folder: string) => {
    const written = await write(options, model.checkpoint, info, operation, tensors, join(folder, 'model'), progress);
    const measured = await measure(options, runtime, runtime.variant(tensors), tokenizer, prompts, scoring, progress);
    const { seconds, ...figures } = measured;
    result = {
      schema,
      command,
      date: new Date().toISOString(),
      versions: versions(),
      model: info,
      operation: { ...operation, dtype },
      layers,
      curves,
      parameters: totalParameters(layers),
      ...figures,
      ...kept(notes),
      sampling: samplingInfo(options, prompting),
      precision: options.precision,
      seconds: {
        load: loaded.seconds,
        decompose: decomposed.seconds,
        write: written,
        ...seconds,
        total: (performance.now() - start) / 1000,
      },
      output: output.path,
    };
    const { samples } = result;
    const page = await runPage(result);
    await writeFileSafely(join(folder, pageName), (file) => file.writeFile(page));
    await writeFileSafely(join(folder, 'samples.txt'), (file) => file.writeFile(samplesFile(samples)));
    await writeFileSafely(join(folder, 'run.json'), (file) => file.writeFile(`${JSON.stringify(result, null, 2)}\n`));
  };
  try {
    // Everything is written into one new folder that takes its place when the run is complete.
    await writeFolderSafely(output.path, fill, options.force);
  } finally {
    output.release();
  }
  await runtime.close();
  const finished = result;
  if (finished)
    print(options, finished, () =>
      [runText(finished), closingLines('run', finished.model.ref, output.path, pageName)].join('\n'),
    );
}

/** @throws SurgeryError `output` if the checkpoint does not fit the disk; results that are replaced stay until then */
async function requireRoom({ output, save, dtype }: RunOptions, checkpoint: Checkpoint): Promise<void> {
  if (!save) return;
  const remedy = 'name another place with --output, or leave it out with --no-save';
  await requireSpace(output ?? resultsFolder, checkpointBytes(checkpoint, dtype), 'the checkpoint', remedy);
}

/** What the folder of results is called that no --output names. */
async function nameOf({ mode, variance, rank, mean }: Operation, { ref }: ModelInfo): Promise<string> {
  const kept = rank === undefined ? [variance] : ['rank', rank];
  return [await slugOf(ref), mode, ...kept, ...(mean === 'drop' ? ['drop'] : [])].join('-');
}

async function decompose(
  { dtype, threads, pcaEngine: engine }: RunOptions,
  operation: Operation,
  { checkpoint, info }: OpenModel,
  progress: Progress,
) {
  const decomposed = await progress.step(`Decomposing ${info.ref}`, 'groups', (onProgress) =>
    operate(checkpoint, operation, { dtype, threads, engine, onProgress }),
  );
  const { fromCache } = decomposed.value;
  if (fromCache > 0) progress.say(`(components of ${fromCache} groups came from the cache)`);
  return decomposed;
}

function load(
  { precision, threads }: RunOptions,
  operation: Settled,
  { checkpoint, info }: OpenModel,
  progress: Progress,
) {
  return progress.step(`Loading ${info.ref} into onnxruntime`, 'weights', (onProgress) =>
    Runtime.open(checkpoint, {
      precision,
      threads,
      replaceable: touched([operation]),
      sets: 2, // the original and the operated model, side by side
      onProgress,
    }),
  );
}

/** Writes the operated checkpoint, unless --no-save. Returns the seconds it took. */
async function write(
  { save, dtype, maxShardSize: maxShardBytes }: RunOptions,
  checkpoint: Checkpoint,
  info: ModelInfo,
  operation: OperationInfo,
  tensors: ReadonlyMap<string, Float32Array>,
  folder: string,
  progress: Progress,
): Promise<number> {
  if (!save) return 0;
  const provenance = {
    'surgery.version': versions().surgery ?? '',
    'surgery.operation': JSON.stringify(operation),
    'surgery.source': info.sha256,
  };
  const { seconds } = await progress.step('Writing the checkpoint', 'bytes', (onProgress) =>
    writeCheckpoint(checkpoint, tensors, folder, { dtype, maxShardBytes, provenance, onProgress }),
  );
  return seconds;
}

/** Texts and scores of the original and of the operated model. */
async function measure(
  options: RunOptions,
  runtime: Runtime,
  weights: Weights,
  tokenizer: Tokenizer,
  prompts: readonly Prompt[],
  { documents, about, tasks }: ScoringInput,
  progress: Progress,
) {
  const generated = await progress.step('Generating', 'tokens', (advance) =>
    sampleBoth(options, runtime, weights, tokenizer, prompts, advance),
  );
  const original = { runtime };
  const operated = { runtime, weights };
  const scored = await progress.step('Scoring', 'tokens', (advance) =>
    scoreDocuments(documents, original, [operated], advance),
  );
  const [comparison] = scored.value.variants;
  if (!comparison) throw new TypeError('scoring a variant gave no score for it');
  const answer = (which: string, model: Model, questions: readonly Question[]) =>
    progress.step(`Answering, ${which}`, 'questions', (advance) => scoreTasks(questions, model, advance));
  const answered = tasks && {
    original: await answer('original', original, tasks.questions),
    operated: await answer('operated', operated, tasks.questions),
  };
  return {
    samples: generated.value,
    scores: { ...about, tokens: scored.value.tokens, original: scored.value.original, operated: comparison },
    ...(tasks && answered
      ? {
          tasks: {
            file: tasks.file,
            rule: tasks.rule,
            original: answered.original.value,
            operated: answered.operated.value,
          },
        }
      : {}),
    seconds: {
      generate: generated.seconds,
      score: scored.seconds + (answered ? answered.original.seconds + answered.operated.seconds : 0),
    },
  };
}

function totalParameters(layers: readonly LayerReport[]): RunResult['parameters'] {
  const groups = layers.flatMap((layer) => layer.groups);
  return {
    dense: groups.reduce((sum, { parameters }) => sum + parameters.dense, 0),
    factored: groups.reduce((sum, { parameters }) => sum + parameters.factored, 0),
  };
}

/** Every prompt continued by the original and by the operated model, from the same seed, side by side. */
async function sampleBoth(
  options: RunOptions,
  runtime: Runtime,
  operated: Weights,
  tokenizer: Tokenizer,
  prompts: readonly Prompt[],
  onProgress: (done: number, total: number) => void,
): Promise<RunSample[]> {
  const variants = [
    ['original', runtime.original],
    ['operated', operated],
  ] as const;
  const wanted = prompts.flatMap((prompt) => variants.map(([variant, weights]) => ({ variant, weights, prompt })));
  const total = wanted.length * options.maxNewTokens;
  let done = 0;
  const generated = await generateTogether(
    runtime,
    wanted.map(({ weights, prompt }) => ({ prompt: prompt.ids, weights, onToken: () => onProgress(++done, total) })),
    generateSettings(options, runtime),
  );
  const samples: RunSample[] = [];
  for (const [i, { variant, prompt }] of wanted.entries()) {
    const { ids, tokensPerSecond } = generated[i] ?? {};
    if (!ids || tokensPerSecond === undefined) continue;
    const from = prompt.ids.length;
    const logprobs = {
      original: await continuationLogprobs({ runtime }, ids, from),
      operated: await continuationLogprobs({ runtime, weights: operated }, ids, from),
    };
    samples.push({
      ...{ variant, prompt: prompt.text, ...tokenizer.continuation(prompt.ids, ids) },
      ...{ ids, logprobs, tokensPerSecond },
    });
  }
  return samples;
}

function samplesFile(samples: readonly RunSample[]): string {
  return samples
    .map(({ variant, prompt, text }) => `=== ${variant}, prompt: ${JSON.stringify(prompt)}\n${text}\n`)
    .join('\n');
}
