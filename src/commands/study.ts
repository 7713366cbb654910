// Shared by sweep and sensitivity: the folder, the session, the missing cells, the summary.
import { join } from 'node:path';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { anglesOf } from '../experiments/angles.ts';
import { cellId } from '../experiments/design.ts';
import { type Setup, withExperiment } from '../experiments/experiment.ts';
import { differencesOf, StudyFolder } from '../experiments/folder.ts';
import { noSeconds, type PlannedCell } from '../experiments/run-cells.ts';
import { areCurvesOf, curvesOf } from '../experiments/spectra.ts';
import { summarised } from '../experiments/summary.ts';
import type { Operator } from '../operations/operator.ts';
import type { SpectrumCurve } from '../operations/pca/curves.ts';
import { decompositionsOf } from '../operations/pca/decompositions.ts';
import type { PcaOperation } from '../operations/pca/spec.ts';
import { type CompleteRecipe, isCalibrated, touchedBy } from '../operations/recipe.ts';
import { counted } from '../platform/counts.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { Progress, Timed } from '../report/terminal/progress.ts';
import { format } from '../results/format.ts';
import type { ModelInfo } from '../results/shapes.ts';
import type { AngleResult, Context, Study } from '../results/study.ts';
import { calibrate, operatorSettings } from './calibration.ts';
import type { StudyOptions } from './command-options.ts';
import { sayInt8 } from './int8.ts';
import { type MeasurementInput, measurementInput } from './measurement.ts';
import { hashOf, identify, type OpenModel, openModel, progressOf, versions } from './model.ts';
import { resultsFolder, slugOf } from './output.ts';
import type { Recorded } from './recorded-command.ts';
import { type Prompts, samplingInfo, withNotes } from './samples.ts';
import type { ScoringInput } from './scoring.ts';
import { openSession, sayMemory, withoutText } from './session.ts';
import { isPart, ownCells, partName, type StudyPart } from './shard.ts';
import { type FinishedStudy, writeStudy } from './study-output.ts';

/** The cells of a study and how they are compared. */
export interface StudyPlan {
  readonly kind: Study['kind'];
  readonly cells: readonly CompleteRecipe[];
  /** Pairs, controls and sensitivity rows, given the cells' ids. */
  readonly relations: (ids: readonly string[]) => Pick<Study, 'pairs' | 'controls' | 'sensitivity'>;
  /** Thresholds at which the row spaces of k and v are compared. */
  readonly angles: readonly number[];
}

/**
 * Computes the cells that the study's folder lacks: an interrupted study continues, and a complete one is only read.
 * @param command recorded in the study
 * @throws SurgeryError for all mistakes in the options, before anything is computed
 */
export async function makeStudy(
  options: StudyOptions,
  plan: (checkpoint: Checkpoint) => StudyPlan | Promise<StudyPlan>,
  command: Recorded,
): Promise<FinishedStudy> {
  const start = performance.now();
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { config } = model.checkpoint;
  const { kind, cells: recipes, relations, angles } = await plan(model.checkpoint);
  const input = await measurementInput(options, model, recipes);
  const { scoring, prompting, calibrated } = input;
  const info = await identify(model, progress);
  const context = contextOf(options, info, scoring, prompting);
  const fitted = calibrated && { ...context, calibration: calibrated.info.documentsSha256 };
  const ids = recipes.map((recipe) => cellId(recipe, fitted && isCalibrated(recipe, config) ? fitted : context));
  const blank: Study = {
    format,
    kind,
    complete: false,
    command: command(input.chosen),
    model: publicInfo(info),
    context: fitted ?? context,
    ...input.read,
    cells: ids,
    original: null,
    ...withNotes(prompting.notes),
    angles: [],
    curves: [],
    ...relations(ids),
  };

  const folder = await StudyFolder.open(await outputOf(options, blank, info));
  try {
    const { study: before } = folder;
    const differ = before ? differencesOf(before, blank) : [];
    if (differ.length > 0)
      throw new SurgeryError(
        'output',
        `${folder.path} holds a study with another ${differ.join(', ')}: name another folder with --output`,
      );
    const own = ownCells(ids, options.shard);
    const missing = own.filter((id) => !folder.cells.has(id));
    const decomposed = recipes.flatMap((recipe) => recipe.filter((one): one is PcaOperation => one.kind === 'pca'));
    const known = {
      original: before?.original ?? null,
      angles: before?.angles ?? [],
      curves: before && areCurvesOf(before.curves, decomposed, config) ? before.curves : [],
      // What cells of another grid in this folder were fitted to.
      ...(before?.calibration && !calibrated
        ? { calibration: before.calibration, context: { ...context, calibration: before.context.calibration } }
        : {}),
    };
    let seconds: Record<string, number> | undefined;
    let study = summarised({ ...blank, ...known }, folder.cells);
    const withAngles = angles.length > 0 && study.angles.length === 0 && isFirst(options.shard);
    const withCurves = decomposed.length > 0 && study.curves.length === 0 && isFirst(options.shard);
    if (missing.length > 0 || study.original === null || withAngles || withCurves) {
      await folder.write(study);
      if (own.length > missing.length && missing.length > 0)
        progress.say(`Continuing ${folder.path}: ${own.length - missing.length} of ${own.length} cells are there`);
      const wanted = new Set(missing);
      const todo = ids.flatMap((id, i) => {
        const recipe = recipes[i];
        return recipe && wanted.delete(id) ? [{ id, recipe }] : [];
      });
      const given = {
        options,
        model,
        input,
        folder,
        replaceable: touchedBy(recipes, config),
        cells: todo,
        angles: withAngles ? angles : [],
        curves: withCurves ? decomposed : [],
        progress,
      };
      const made = await work(given);
      seconds = { ...made.seconds, total: (performance.now() - start) / 1000 };
      const found = {
        ...known,
        original: made.original,
        angles: withAngles ? made.angles : study.angles,
        curves: withCurves ? made.curves : study.curves,
      };
      study = summarised({ ...blank, ...found }, folder.cells);
      await folder.writeFile('seconds.json', `${JSON.stringify(seconds, null, 1)}\n`);
    }
    const isWritten = seconds !== undefined || !before?.complete;
    const larger = isWritten ? 0 : (before?.cells.length ?? 0);
    if (isWritten) await writeStudy(folder, study, !isPart(options.shard), progress);
    await folder.close();
    return {
      study,
      cells: folder.cells,
      folder: folder.path,
      ...(larger > new Set(ids).size ? { ofLarger: larger } : {}),
      ...(seconds ? { seconds } : {}),
    };
  } catch (error) {
    await folder.discard();
    throw error;
  }
}

interface Work {
  readonly options: StudyOptions;
  readonly model: OpenModel;
  readonly input: MeasurementInput;
  readonly folder: StudyFolder;
  /** Weights that any cell of the study edits, finished cells included: the last digits of all scores depend on this list. */
  readonly replaceable: readonly string[];
  readonly cells: readonly PlannedCell[];
  /** Thresholds of the angles between k and v. */
  readonly angles: readonly number[];
  /** Operations whose spectra go into the study. */
  readonly curves: readonly PcaOperation[];
  readonly progress: Progress;
}

/** The slow part: measures the original and the cells. */
async function work({ options, model, input, folder, replaceable, cells, angles, curves, progress }: Work) {
  sayMemory(options, model, progress);
  await sayInt8(options, model, progress);
  let load: number | undefined;
  const setup: Setup = {
    checkpoint: model.checkpoint,
    measurement: input.measurement,
    tokenizer: input.tokenizer,
    replaceable,
    precision: options.precision,
    ...operatorSettings({ ...options, calibrated: input.calibrated }),
    calibrate: (operator, recipes) => calibrate(operator, input.calibrated, recipes, progress),
    open: async (session) => {
      const loaded = await openSession(options, model, session, progress, withoutText);
      load = loaded.seconds;
      return loaded.value;
    },
  };
  // Smallest rank first, since a larger one continues from it. The folder restores the grid's order.
  return withExperiment(setup, cells.toReversed(), async ({ operator, measure }) => {
    const seconds = noSeconds();
    const { value: original } = await progress.step(counted(cells.length, 'cell'), 'blocks', (advance) =>
      measure(
        seconds,
        async (measured) => {
          for (const cell of measured) await folder.add(cell);
        },
        advance,
      ),
    );
    const ofAngles = await anglesFor(operator, angles, progress);
    const ofCurves = await curvesFor(operator, curves, progress);
    return {
      original,
      angles: ofAngles.value,
      curves: ofCurves.value,
      seconds: {
        ...(load !== undefined && { load }),
        ...seconds,
        angles: ofAngles.seconds,
        spectra: ofCurves.seconds,
      },
    };
  });
}

async function anglesFor(
  operator: Operator,
  thresholds: readonly number[],
  progress: Progress,
): Promise<Timed<AngleResult[]>> {
  if (thresholds.length === 0) return { value: [], seconds: 0 };
  return progress.step('Angles between k and v', 'layers', (advance) =>
    anglesOf(operator.shared(decompositionsOf), thresholds, advance),
  );
}

async function curvesFor(
  operator: Operator,
  operations: readonly PcaOperation[],
  progress: Progress,
): Promise<Timed<SpectrumCurve[]>> {
  if (operations.length === 0) return { value: [], seconds: 0 };
  return progress.step('Spectra', 'groups', (advance) =>
    curvesOf(operator.shared(decompositionsOf), operations, advance),
  );
}

function contextOf(
  options: StudyOptions,
  info: ModelInfo,
  { documentsSha256, tasks }: ScoringInput,
  { prompts, info: prompting }: Prompts,
): Context {
  const { surgery, onnxruntime } = versions();
  return {
    format,
    versions: { surgery, onnxruntime },
    model: info.sha256,
    precision: options.precision,
    engine: options.pcaEngine,
    dtype: options.dtype ?? 'source',
    documents: documentsSha256,
    tasks: tasks ? hashOf(tasks.questions.map(({ task }) => task)) : null,
    prompts: prompts.length > 0 ? hashOf(prompts.map(({ ids }) => ids)) : null,
    sampling: prompts.length > 0 ? samplingInfo(options, prompting) : null,
  };
}

/** Without fields that differ between machines. */
function publicInfo({ path, notice, ...model }: ModelInfo): Study['model'] {
  return model;
}

/** Derived from the settings, so that the same command finds its unfinished study again. */
async function outputOf(
  { output, shard }: StudyOptions,
  { kind, context, cells }: Study,
  { ref }: ModelInfo,
): Promise<string> {
  const hash = hashOf([context, cells]).slice(0, 8);
  const name = output ?? join(resultsFolder, `${await slugOf(ref)}-${kind}-${hash}`);
  return isPart(shard) ? join(name, partName(shard)) : name;
}

function isFirst(shard: StudyPart | undefined): boolean {
  return shard === undefined || shard.index === 0;
}
