// surgery run: one experiment. Edits the weights, writes the checkpoint, generates and scores before and after.
import { join } from 'node:path';
import { cardFile, licenceFile, licenceOf } from '../checkpoint/licence.ts';
import { layerOf } from '../checkpoint/names.ts';
import { Checkpoint } from '../checkpoint/reader.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { checkpointBytes } from '../checkpoint/shards.ts';
import { writeCheckpoint } from '../checkpoint/writer.ts';
import { diagnose, planDiagnosis } from '../experiments/diagnosis.ts';
import {
  CellScoring,
  type CellVariant,
  cellVariant,
  type Experiment,
  groupingOf,
  noSeconds,
  type PlannedCell,
  type Seconds,
  withSamples,
} from '../experiments/run-cells.ts';
import type { LayeredVariant } from '../operations/operator.ts';
import { type CompleteRecipe, recipeHash, recipeSlug, touchedBy } from '../operations/recipe.ts';
import { recipeText } from '../operations/recipe-file.ts';
import { writeFileSafely, writeFolderSafely } from '../platform/atomic-files.ts';
import { counted, integer } from '../platform/counts.ts';
import { requireSpace } from '../platform/disk-space.ts';
import { itemAt } from '../platform/indexing.ts';
import { endText } from '../report/cells.ts';
import { runPage } from '../report/html/run-page.ts';
import { modelCard } from '../report/model-card.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { runText } from '../report/terminal/text.ts';
import { breaksModel, isBroken } from '../report/verdict.ts';
import { format } from '../results/format.ts';
import type { RunResult } from '../results/run.ts';
import { recordName, recordText } from '../results/scored-record.ts';
import { type ModelInfo, withoutFolders } from '../results/shapes.ts';
import { scoredTokens } from '../scores/likelihood.ts';
import type { Comparison } from '../scores/registry.ts';
import { type OperatorOptions, openOperator } from './calibration.ts';
import type { RunOptions } from './command-options.ts';
import { sayInt8 } from './int8.ts';
import { measurementInput } from './measurement.ts';
import { identify, type OpenModel, openModel, print, progressOf, versions } from './model.ts';
import { nextSteps } from './next-steps.ts';
import { recipeName, requireOutput, resultsFolder, slugOf, takeOutput } from './output.ts';
import { equivalentsOf, recipeOf } from './recipes.ts';
import type { Recorded } from './recorded-command.ts';
import { samplingInfo, withNotes } from './samples.ts';
import type { ScoringInput } from './scoring.ts';
import { openSession, sayMemory, withoutText } from './session.ts';
import { pageName } from './study-output.ts';
import { afterRun } from './suggestions.ts';

export async function run(options: RunOptions, command: Recorded): Promise<void> {
  const start = performance.now();
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { checkpoint } = model;
  const recipe = await recipeOf(options.operation, checkpoint.config);
  for (const line of equivalentsOf(options.operation, checkpoint.config)) progress.say(line);
  const input = await measurementInput(options, model, [recipe]);
  const { tokenizer, prompting, scoring, calibrated, measurement } = input;
  const fitting = { ...options, calibrated };
  await requireOutput(options);
  await requireRoom(options, checkpoint);
  const { precision, threads, memory } = options;
  const replaceable = touchedBy([recipe], checkpoint.config);
  const { needsSession } = groupingOf(checkpoint, measurement, replaceable, 1);

  const info = await identify(model, progress);
  sayMemory(options, model, progress);
  await sayInt8(options, model, progress);
  // Text takes all of the variant's weights at once; scores and checkpoints are made a layer at a time.
  const made = needsSession ? await makeVariant(fitting, recipe, model, progress) : undefined;
  const operator = made ? undefined : await openOperator(fitting, recipe, model, progress);
  const variant: CellVariant | undefined = made ? cellVariant(made.value) : await operator?.layered(recipe);
  if (!variant) throw new RangeError('no variant was made');
  const loaded = needsSession
    ? await openSession(options, model, { replaceable, variantsTogether: 2 }, progress, withoutText)
    : undefined;

  const output = await takeOutput(options, `${await slugOf(info.ref)}-${recipeSlug(recipe, info.layers)}`);
  let result: RunResult | undefined;
  const fill = async (folder: string) => {
    const written = await write(options, checkpoint, info, variant, join(folder, 'model'), progress);
    // What has been written is not computed again.
    const stored = options.save && !made ? await storedVariant(variant, checkpoint, join(folder, 'model')) : variant;
    if (options.save)
      await writeFileSafely(join(folder, 'model', recordName), (file) => file.writeFile(recordText(scoring.record)));
    const experiment: Experiment = {
      checkpoint,
      measurement,
      variants: { next: async () => stored },
      runtime: loaded?.value,
      tokenizer,
      precision,
      threads,
      memory,
    };
    const seconds = noSeconds();
    const pair = await measurePair(
      experiment,
      { id: recipeHash(recipe, calibrated?.info.documentsSha256), recipe },
      seconds,
      options,
      progress,
    );
    const cause = breaksModel({ model: info, ...pair })
      ? await diagnosed(options, model, stored, scoring, pair.cell.scores, progress)
      : undefined;
    const found: RunResult = {
      format,
      kind: 'run',
      command: command(input.chosen),
      date: new Date().toISOString(),
      versions: versions(),
      model: info,
      precision: options.precision,
      dtype: options.dtype ?? info.dtype,
      documentsSha256: scoring.documentsSha256,
      ...input.read,
      sampling: samplingInfo(options, prompting.info),
      ...withNotes(prompting.notes),
      ...pair,
      ...(cause?.found ?? {}),
      curves: variant.result().reports.flatMap((report) => (report.kind === 'pca' ? (report.curves ?? []) : [])),
      seconds: {
        ...(loaded && { load: loaded.seconds }),
        ...((made || !options.save) && { decompose: made?.seconds ?? seconds.decompose }),
        ...(options.save && { write: written }),
        ...(options.samples && { generate: seconds.generate }),
        score: seconds.score + seconds.answer,
        ...(cause?.seconds !== undefined && { diagnose: cause.seconds }),
        total: (performance.now() - start) / 1000,
      },
      output: output.path,
    };
    result = found;
    if (options.save) await writeCard(found, checkpoint, join(folder, 'model'));
    const page = await runPage(found);
    await writeFileSafely(join(folder, pageName), (file) => file.writeFile(page));
    if (options.samples)
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
    await loaded?.value.close();
    await operator?.close();
  }
  const finished = result;
  if (finished)
    print(options, finished, () =>
      [runText(finished), nextSteps(afterRun(finished, output.path), output.path, pageName)].join('\n'),
    );
}

/** The original and a variant, whose samples are continued side by side. */
async function measurePair(
  experiment: Experiment,
  cell: PlannedCell,
  seconds: Seconds,
  { maxNewTokens }: RunOptions,
  progress: Progress,
): Promise<Pick<RunResult, 'original' | 'cell' | 'tokensPerSecond'>> {
  const scoring = new CellScoring(experiment, [[cell]]);
  try {
    const { value: scored } = await progress.step('Scoring', 'blocks', (advance) => {
      let done = 0;
      return scoring.next(seconds, (blocks) => {
        done += blocks;
        advance(done, scoring.blocks);
      });
    });
    const { prompts } = experiment.measurement;
    const write = (onToken?: () => void) =>
      withSamples({ ...experiment, ...(onToken && { onToken }) }, scored, seconds);
    const { original, cells } =
      prompts.length === 0
        ? await write()
        : (
            await progress.step('Generating', 'tokens', (advance) => {
              let done = 0;
              return write(() => advance(++done, 2 * prompts.length * maxNewTokens));
            })
          ).value;
    const variant = itemAt(cells, 0);
    return {
      original: original.result,
      cell: variant.result,
      tokensPerSecond: { original: original.tokensPerSecond, variant: variant.tokensPerSecond },
    };
  } finally {
    await scoring.close();
  }
}

/** @throws SurgeryError `output` if the checkpoint does not fit the disk, next to any results that it will replace */
async function requireRoom({ output, save, dtype }: RunOptions, checkpoint: Checkpoint): Promise<void> {
  if (!save) return;
  const remedy = 'name another place with --output, or leave it out with --no-save';
  await requireSpace(output ?? resultsFolder, checkpointBytes(checkpoint, dtype), 'the checkpoint', remedy);
}

/** Computes the edited weights. Reports on stderr how many groups' components came from the cache. */
export async function makeVariant(
  options: OperatorOptions,
  recipe: CompleteRecipe,
  model: OpenModel,
  progress: Progress,
) {
  const operator = await openOperator(options, recipe, model, progress);
  const { ref } = model.info;
  const made = await progress
    .step(`Operating on ${ref}`, 'layers', (onProgress) => operator.apply(recipe, onProgress))
    .finally(() => operator.close());
  const fromCache = made.value.reports.reduce(
    (sum, report) => sum + (report.kind === 'pca' ? (report.fromCache ?? 0) : 0),
    0,
  );
  if (fromCache > 0) progress.say(`(components of ${counted(fromCache, 'group')} came from the cache)`);
  return made;
}

/** Where a broken model's damage lies, by reading as many tokens as scoring two models did. Nothing with --no-diagnosis. */
async function diagnosed(
  { diagnosis: isWanted, threads, memory }: RunOptions,
  { checkpoint }: OpenModel,
  variant: LayeredVariant,
  { documents }: ScoringInput,
  whole: Comparison,
  progress: Progress,
): Promise<{ found: Pick<RunResult, 'diagnosis' | 'undiagnosed'>; seconds?: number } | undefined> {
  if (!isWanted) return undefined;
  const scored = scoredTokens(documents);
  const plan = planDiagnosis({ checkpoint, variant }, 2 * scored);
  if (!plan) return undefined;
  if ('passes' in plan) {
    const { passes, least } = plan;
    const enough = integer(Math.ceil((passes * least) / 2));
    const why = `it takes ${passes} passes over ${least} tokens, and may read twice the tokens that are scored`;
    return { found: { undiagnosed: `${why}: score ${enough} or more, not ${integer(scored)}` } };
  }
  const { value: diagnosis, seconds } = await progress.step('Finding where it breaks', 'passes', (onPass) => {
    // If the edit without these layers loses about as much, they are not the cause.
    const works = (scores: Comparison) => !isBroken(scores) && scores.kl < whole.kl / 3;
    return diagnose(plan, { checkpoint, variant, documents, works, threads, memory, onPass });
  });
  return { found: { diagnosis }, seconds };
}

/** Writes the edited checkpoint, unless --no-save. @returns seconds */
async function write(
  { save, dtype, maxShardSize: maxShardBytes }: RunOptions,
  checkpoint: Checkpoint,
  info: ModelInfo,
  variant: CellVariant,
  folder: string,
  progress: Progress,
): Promise<number> {
  if (!save) return 0;
  const provenance = {
    'surgery.version': versions().surgery,
    'surgery.recipe': JSON.stringify(variant.recipe),
    'surgery.source': info.sha256,
  };
  const { tensors } = variant;
  const touched = touchedBy([variant.recipe], checkpoint.config);
  const words = tensors ? 'Writing the checkpoint' : `Operating on ${info.ref} and writing the checkpoint`;
  const { seconds } = await progress.step(words, 'bytes', (onProgress) =>
    writeCheckpoint(checkpoint, tensors ?? { ...variant, touched }, folder, {
      dtype,
      maxShardBytes,
      provenance,
      onProgress,
    }),
  );
  return seconds;
}

/** A variant whose weights are read from the checkpoint that was written of it. */
async function storedVariant(variant: LayeredVariant, { config }: Checkpoint, folder: string): Promise<LayeredVariant> {
  const stored = await Checkpoint.open(folder);
  const touched = touchedBy([variant.recipe], config);
  return {
    ...variant,
    edit: async (layer) => {
      const names = touched.filter((name) => layerOf(name) === layer);
      return new Map(await Promise.all(names.map(async (name) => [name, await stored.readFloat32(name)] as const)));
    },
  };
}

/** Writes the model card, which states the scores; called before the folder gets its final name. */
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
