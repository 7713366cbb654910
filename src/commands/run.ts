// surgery run: one experiment. Operate, write, generate before and after, score, report.
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { writeFileSafely, writeFolderSafely } from '../checkpoint/files.ts';
import { exists } from '../checkpoint/reader.ts';
import { writeCheckpoint } from '../checkpoint/writer.ts';
import { groupsOf } from '../decompose/groups.ts';
import { operate } from '../decompose/operate.ts';
import { SurgeryError } from '../errors.ts';
import { generateTogether } from '../measure/generate.ts';
import { scoreDocuments } from '../measure/score.ts';
import { scoreTasks, taskRule } from '../measure/tasks.ts';
import type { Progress } from '../report/progress.ts';
import { type RunResult, type Sample, schema } from '../report/results.ts';
import { runText } from '../report/text.ts';
import type { Weights } from '../runtime/sequence.ts';
import { attentionWeights, Runtime } from '../runtime/session.ts';
import { Tokenizer } from '../runtime/tokenizer.ts';
import { type OpenModel, openModel, print, progressOf, versions } from './model.ts';
import type { ModelOptions, OperationOptions, OutputOptions, SamplingOptions, ScoringOptions } from './options.ts';
import { continuation, generateSettings, type Prompt, promptsOf, samplingInfo } from './samples.ts';
import { type ScoringInput, scoringInput } from './scoring.ts';

export type RunOptions = ModelOptions & OperationOptions & SamplingOptions & ScoringOptions & OutputOptions;

export async function run(options: RunOptions, command: string): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, progress);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const prompts = promptsOf(options, tokenizer, model.checkpoint);
  const scoring = await scoringInput(options, model, tokenizer);
  const output = await outputFolder(options, model);
  const start = performance.now();
  let result: RunResult | undefined;
  // Everything is written into one new folder that appears when the run is complete.
  await writeFolderSafely(output, async (folder) => {
    const experiment = await perform(options, model, tokenizer, prompts, scoring, folder, progress);
    const total = (performance.now() - start) / 1000;
    const { operation, seconds, ...rest } = experiment;
    result = {
      schema,
      command,
      versions: versions(),
      model: model.info,
      operation,
      ...rest,
      sampling: samplingInfo(options),
      precision: options.precision,
      seconds: { ...seconds, total },
      output,
    };
    const { samples } = result;
    await writeFileSafely(join(folder, 'samples.txt'), (file) => file.writeFile(samplesFile(samples)));
    await writeFileSafely(join(folder, 'run.json'), (file) => file.writeFile(`${JSON.stringify(result, null, 2)}\n`));
  });
  const finished = result;
  if (finished) print(options, finished, () => runText(finished));
}

async function perform(
  options: RunOptions,
  { checkpoint, info }: OpenModel,
  tokenizer: Tokenizer,
  prompts: readonly Prompt[],
  scoring: ScoringInput,
  folder: string,
  progress: Progress,
) {
  const { mode, variance, mean, dtype } = options;
  const operation = {
    mode,
    variance,
    mean,
    groups: groupsOf(mode).map(({ name }) => name),
    dtype: dtype ?? info.dtype,
  };

  const decomposed = await progress.step(`Decomposing ${info.ref}`, 'groups', (onProgress) =>
    operate(
      checkpoint,
      { mode, variance, mean },
      { dtype, threads: options.threads, engine: options.pcaEngine, onProgress },
    ),
  );
  const { tensors, layers, fromCache } = decomposed.value;
  if (fromCache > 0) progress.say(`(components of ${fromCache} groups came from the cache)`);

  const written = await progress.step('Writing the checkpoint', 'bytes', async (onProgress) => {
    if (!options.save) return;
    const provenance = {
      'surgery.version': versions().surgery ?? '',
      'surgery.operation': JSON.stringify(operation),
      'surgery.source': info.sha256,
    };
    await writeCheckpoint(checkpoint, tensors, join(folder, 'model'), { dtype, provenance, onProgress });
  });

  const loaded = await progress.step(`Loading ${info.ref} into onnxruntime`, 'weights', (onProgress) =>
    Runtime.open(checkpoint, {
      precision: options.precision,
      threads: options.threads,
      replaceable: attentionWeights(checkpoint),
      sets: 2, // the original and the operated model, side by side
      onProgress,
    }),
  );
  const runtime = loaded.value;
  const weights = runtime.variant(tensors);

  const generated = await progress.step('Generating', 'tokens', (onProgress) =>
    sampleBoth(options, runtime, weights, tokenizer, prompts, onProgress),
  );

  const original = { runtime };
  const operated = { runtime, weights };
  const scored = await progress.step('Scoring', 'tokens', (onProgress) =>
    scoreDocuments(scoring.documents, original, [operated], onProgress),
  );
  const { tokens, variants } = scored.value;
  const [comparison] = variants;
  if (!comparison) throw new TypeError('scoring a variant gave no score for it');
  const { tasks } = scoring;
  const answered = tasks && {
    file: tasks.file,
    rule: taskRule,
    original: (
      await progress.step('Answering, original', 'questions', (advance) =>
        scoreTasks(tasks.rows, tokenizer, original, advance),
      )
    ).value,
    operated: (
      await progress.step('Answering, operated', 'questions', (advance) =>
        scoreTasks(tasks.rows, tokenizer, operated, advance),
      )
    ).value,
  };
  await runtime.close();

  const groups = layers.flatMap((layer) => layer.groups);
  return {
    operation,
    layers,
    parameters: {
      dense: groups.reduce((sum, { parameters }) => sum + parameters.dense, 0),
      factored: groups.reduce((sum, { parameters }) => sum + parameters.factored, 0),
    },
    samples: generated.value,
    scores: { ...scoring.about, tokens, original: scored.value.original, operated: comparison },
    ...(answered ? { tasks: answered } : {}),
    seconds: {
      load: loaded.seconds,
      decompose: decomposed.seconds,
      write: written.seconds,
      generate: generated.seconds,
      score: scored.seconds,
    },
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
): Promise<Sample[]> {
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
  return wanted.flatMap(({ variant, prompt: { text: prompt, ids: promptIds } }, i) => {
    const { ids, tokensPerSecond } = generated[i] ?? {};
    if (!ids || tokensPerSecond === undefined) return [];
    return { variant, prompt, ...continuation(tokenizer, promptIds, ids), ids, tokensPerSecond };
  });
}

function samplesFile(samples: readonly Sample[]): string {
  return samples
    .map(({ variant, prompt, text }) => `=== ${variant}, prompt: ${JSON.stringify(prompt)}\n${text}\n`)
    .join('\n');
}

/**
 * The folder that the results go to.
 * @throws SurgeryError `output` if it exists and may not be replaced: results need --force, anything else never is
 */
async function outputFolder({ output, force, mode, variance, mean }: RunOptions, { info }: OpenModel): Promise<string> {
  if (output === undefined) {
    const slug = basename(info.ref.replace(/@.*$/, '') === '.' ? resolve('.') : info.ref)
      .replace(/[^\w.-]+/g, '-')
      .toLowerCase();
    const name = join('results', [slug, mode, variance, ...(mean === 'drop' ? ['drop'] : [])].join('-'));
    for (let n = 1; ; n++) {
      const candidate = n === 1 ? name : `${name}-${n}`;
      if (!(await exists(candidate))) return candidate;
    }
  }
  const found = await stat(output).catch(() => undefined);
  if (!found) return output;
  if (!found.isDirectory()) throw new SurgeryError('output', `--output ${output} is a file: name a folder`);
  const content = await readdir(output);
  if (content.length === 0) return output;
  if (!content.includes('run.json'))
    throw new SurgeryError('output', `--output ${output} holds other files than a run's results: name a new folder`);
  if (!force)
    throw new SurgeryError(
      'output',
      `--output ${output} holds results already: name another folder, or replace them with --force`,
    );
  return output;
}
