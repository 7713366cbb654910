// surgery run: one experiment. Edits the weights, writes the checkpoint, generates and scores before and after.
import { join } from 'node:path';
import { cardFile, licenceFile, licenceOf } from '../checkpoint/licence.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { checkpointBytes } from '../checkpoint/shards.ts';
import { writeCheckpoint } from '../checkpoint/writer.ts';
import { diagnose } from '../experiments/diagnosis.ts';
import { type Measurement, measurePair, scoreNext } from '../experiments/run-cells.ts';
import { type Operated, operate } from '../operations/operator.ts';
import { type CompleteRecipe, recipeHash, recipeSlug, touchedBy } from '../operations/recipe.ts';
import { recipeText } from '../operations/recipe-file.ts';
import { writeFileSafely, writeFolderSafely } from '../platform/atomic-files.ts';
import { counted } from '../platform/counts.ts';
import { requireSpace } from '../platform/disk-space.ts';
import { endText } from '../report/cells.ts';
import { runPage } from '../report/html/run-page.ts';
import { modelCard } from '../report/model-card.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { runText } from '../report/terminal/text.ts';
import { isBroken } from '../report/verdict.ts';
import { format } from '../results/format.ts';
import type { Diagnosis, RunResult } from '../results/run.ts';
import { recordName, recordText } from '../results/scored-record.ts';
import { type ModelInfo, withoutFolders } from '../results/shapes.ts';
import { Runtime } from '../runtime/session.ts';
import { scoredTokens } from '../scores/likelihood.ts';
import type { Comparison } from '../scores/registry.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { RunOptions } from './command-options.ts';
import { identify, type OpenModel, openModel, print, progressOf, versions } from './model.ts';
import { nextSteps } from './next-steps.ts';
import { recipeName, requireOutput, resultsFolder, slugOf, takeOutput } from './output.ts';
import { equivalentsOf, recipeOf } from './recipes.ts';
import { withRecording } from './recorded.ts';
import type { Recorded } from './recorded-command.ts';
import { generateSettings, samplePrompts, samplingInfo, withNotes } from './samples.ts';
import { type ScoringInput, scoringInput } from './scoring.ts';
import { pageName } from './study-output.ts';
import { afterRun } from './suggestions.ts';

export async function run(options: RunOptions, command: Recorded): Promise<void> {
  const start = performance.now();
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { checkpoint } = model;
  const tokenizer = await Tokenizer.open(checkpoint);
  const recipe = await recipeOf(options.operation, checkpoint.config);
  for (const line of equivalentsOf(options.operation, checkpoint.config)) progress.say(line);
  const { prompts, info: prompting, notes, chosen } = await samplePrompts(options, tokenizer, checkpoint);
  const scoring = await scoringInput(options, model, tokenizer);
  await requireOutput(options);
  await requireRoom(options, checkpoint);

  const info = await identify(model, progress);
  const made = await makeVariant(options, recipe, model, progress);
  const loaded = await load(options, recipe, model, progress);
  const runtime = loaded.value;
  const operated = made.value;

  const output = await takeOutput(options, `${await slugOf(info.ref)}-${recipeSlug(recipe, info.layers)}`);
  let result: RunResult | undefined;
  const fill = async (folder: string) => {
    const written = await write(options, checkpoint, info, operated, join(folder, 'model'), progress);
    if (options.save)
      await writeFileSafely(join(folder, 'model', recordName), (file) => file.writeFile(recordText(scoring.record)));
    const measurement: Measurement = {
      documents: scoring.documents,
      tasks: scoring.tasks?.questions ?? [],
      prompts,
      generation: generateSettings(options, runtime),
    };
    const experiment = { variants: { next: async () => operated }, runtime, tokenizer, measurement };
    const { result: pair, seconds } = await withRecording(
      experiment,
      join(folder, '.logits'),
      progress,
      async (recorded, spent) => {
        const total = scoredTokens(scoring.documents);
        const { value: scored } = await progress.step('Scoring the variant', 'tokens', (advance) => {
          let done = 0;
          const onTokens = (tokens: number) => {
            done += tokens;
            advance(done, total);
          };
          return scoreNext(recorded, { id: recipeHash(recipe), recipe }, spent, onTokens);
        });
        const { value } = await progress.step('Generating', 'tokens', (advance) => {
          let done = 0;
          const most = 2 * prompts.length * options.maxNewTokens;
          return measurePair({ ...recorded, onToken: () => advance(++done, most) }, scored, spent);
        });
        return value;
      },
    );
    const cause = isBroken(pair.cell.scores)
      ? await diagnosis(options, runtime, operated, scoring, pair.cell.scores, progress)
      : undefined;
    const { tasks } = scoring;
    const found: RunResult = {
      format,
      kind: 'run',
      command: command({ '--model': model.pinned, ...scoring.chosen, ...chosen }),
      date: new Date().toISOString(),
      versions: versions(),
      model: info,
      precision: options.precision,
      dtype: options.dtype ?? info.dtype,
      documentsSha256: scoring.documentsSha256,
      text: { ...scoring.about, tokens: scoredTokens(scoring.documents) },
      ...(tasks ? { tasks: { file: tasks.file, rule: tasks.rule } } : {}),
      sampling: samplingInfo(options, prompting),
      ...withNotes(notes),
      ...pair,
      ...(cause ? { diagnosis: cause.value } : {}),
      curves: operated.reports.flatMap((report) => (report.kind === 'pca' ? (report.curves ?? []) : [])),
      seconds: {
        load: loaded.seconds,
        decompose: made.seconds,
        write: written,
        generate: seconds.generate,
        score: seconds.score + seconds.answer,
        ...(cause ? { diagnose: cause.seconds } : {}),
        total: (performance.now() - start) / 1000,
      },
      output: output.path,
    };
    result = found;
    if (options.save) await writeCard(found, checkpoint, join(folder, 'model'));
    const page = await runPage(found);
    await writeFileSafely(join(folder, pageName), (file) => file.writeFile(page));
    await writeFileSafely(join(folder, 'samples.txt'), (file) => file.writeFile(samplesFile(pair)));
    await writeFileSafely(join(folder, recipeName), (file) => file.writeFile(recipeText(recipe)));
    await writeFileSafely(join(folder, 'run.json'), (file) =>
      file.writeFile(`${JSON.stringify(withoutFolders(found), null, 2)}\n`),
    );
  };
  try {
    // Everything is written into a temporary folder, which is renamed when the run is complete.
    await writeFolderSafely(output.path, fill, options.force);
  } finally {
    output.release();
  }
  await runtime.close();
  const finished = result;
  if (finished)
    print(options, finished, () =>
      [runText(finished), nextSteps(afterRun(finished, output.path), output.path, pageName)].join('\n'),
    );
}

/** @throws SurgeryError `output` if the checkpoint does not fit the disk, next to any results that it will replace */
async function requireRoom({ output, save, dtype }: RunOptions, checkpoint: Checkpoint): Promise<void> {
  if (!save) return;
  const remedy = 'name another place with --output, or leave it out with --no-save';
  await requireSpace(output ?? resultsFolder, checkpointBytes(checkpoint, dtype), 'the checkpoint', remedy);
}

/** Computes the edited weights. Reports on stderr how many groups' components came from the cache. */
export async function makeVariant(
  { dtype, threads, pcaEngine: engine }: Pick<RunOptions, 'dtype' | 'threads' | 'pcaEngine'>,
  recipe: CompleteRecipe,
  { checkpoint, info }: OpenModel,
  progress: Progress,
) {
  const made = await progress.step(`Operating on ${info.ref}`, 'layers', (onProgress) =>
    operate(checkpoint, recipe, { dtype, threads, engine, onProgress }),
  );
  const fromCache = made.value.reports.reduce(
    (sum, report) => sum + (report.kind === 'pca' ? (report.fromCache ?? 0) : 0),
    0,
  );
  if (fromCache > 0) progress.say(`(components of ${counted(fromCache, 'group')} came from the cache)`);
  return made;
}

function load(
  { precision, threads }: RunOptions,
  recipe: CompleteRecipe,
  { checkpoint, info }: OpenModel,
  progress: Progress,
) {
  return progress.step(`Loading ${info.ref} into onnxruntime`, 'weights', (onProgress) =>
    Runtime.open(checkpoint, {
      precision,
      threads,
      replaceable: touchedBy([recipe], checkpoint.config),
      variantsTogether: 2, // the original and the variant, side by side
      onProgress,
    }),
  );
}

/** Where a broken model's damage lies, for about as many tokens as were scored. Nothing with --no-diagnosis. */
async function diagnosis(
  { diagnosis: isWanted }: RunOptions,
  runtime: Runtime,
  { tensors }: Operated,
  { documents }: ScoringInput,
  whole: Comparison,
  progress: Progress,
): Promise<{ value: Diagnosis; seconds: number } | undefined> {
  if (!isWanted) return undefined;
  const { value, seconds } = await progress.step('Finding where it breaks', 'passes', (onPass) => {
    const budget = 2 * scoredTokens(documents);
    // A rest that loses about as much says nothing about the layers that were left out.
    const works = (scores: Comparison) => !isBroken(scores) && scores.kl < whole.kl / 3;
    return diagnose({ runtime, tensors, documents, budget, works, onPass });
  });
  return value && { value, seconds };
}

/** Writes the edited checkpoint, unless --no-save. @returns seconds */
async function write(
  { save, dtype, maxShardSize: maxShardBytes }: RunOptions,
  checkpoint: Checkpoint,
  info: ModelInfo,
  { recipe, tensors }: Operated,
  folder: string,
  progress: Progress,
): Promise<number> {
  if (!save) return 0;
  const provenance = {
    'surgery.version': versions().surgery ?? '',
    'surgery.recipe': JSON.stringify(recipe),
    'surgery.source': info.sha256,
  };
  const { seconds } = await progress.step('Writing the checkpoint', 'bytes', (onProgress) =>
    writeCheckpoint(checkpoint, tensors, folder, { dtype, maxShardBytes, provenance, onProgress }),
  );
  return seconds;
}

/** The card, after the scores that it holds; the folder has its name only when all of it is written. */
async function writeCard(result: RunResult, { folder: source }: Checkpoint, folder: string): Promise<void> {
  const licence = await licenceOf(source);
  await writeFileSafely(join(folder, cardFile), (file) => file.writeFile(modelCard(result, licence)));
  const text = licence?.hasText ? await readText(source, licenceFile, maxBytes.template) : undefined;
  if (text !== undefined) await writeFileSafely(join(folder, licenceFile), (file) => file.writeFile(text));
}

function samplesFile({ original, cell }: Pick<RunResult, 'original' | 'cell'>): string {
  return original.samples
    .flatMap((sample, i) => [
      { name: 'original', sample },
      ...(cell.samples[i] ? [{ name: 'operated', sample: cell.samples[i] }] : []),
    ])
    .map(
      ({ name, sample }) =>
        `=== ${name}, prompt: ${JSON.stringify(sample.prompt)}\n${sample.text}${sample.end ? `\n(${endText(sample.end)})` : ''}\n`,
    )
    .join('\n');
}
