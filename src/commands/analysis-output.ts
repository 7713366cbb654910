// The output folder of an analysis: the result as JSON, charts, and the HTML report.
import { join } from 'node:path';
import type { FindingKind, FindingResults } from '../analyses/results.ts';
import { readFinding } from '../analyses/results.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import { writeFileSafely, writeFolderSafely } from '../platform/atomic-files.ts';
import { findingsPage } from '../report/html/analyses/page.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { FindingInfo } from '../results/finding.ts';
import { format } from '../results/format.ts';
import { type ModelInfo, withoutFolders } from '../results/shapes.ts';
import type { CalibrationInput } from './calibration.ts';
import { type OpenModel, versions } from './model.ts';
import type { AnalysisOptions, RuntimeOptions } from './options.ts';
import { type KnownResults, requireFolder, takeOutput } from './output.ts';
import type { Recorded } from './recorded-command.ts';
import type { Prompts } from './samples.ts';
import type { ScoringInput } from './scoring.ts';
import { pageName } from './study-output.ts';

/** Texts by file name. */
export type Files = Readonly<Record<string, string>>;

/** What an analysis was made of; nothing where it reads none. */
export interface AnalysisInput {
  readonly recipe?: CompleteRecipe | undefined;
  readonly scoring?: ScoringInput | undefined;
  readonly calibrated?: CalibrationInput | undefined;
  readonly prompting?: Pick<Prompts, 'chosen'>;
}

/**
 * The fields that all analyses share.
 * @param command records the command with what it chose itself
 */
export function analysisInfo(
  { precision, seed }: Pick<RuntimeOptions, 'precision'> & Pick<AnalysisOptions, 'seed'>,
  command: Recorded,
  model: OpenModel,
  info: ModelInfo,
  { recipe, scoring, calibrated, prompting }: AnalysisInput,
): FindingInfo {
  const chosen = { '--model': model.pinned, ...scoring?.chosen, ...calibrated?.chosen, ...prompting?.chosen };
  return {
    format,
    command: command(chosen),
    versions: versions(),
    model: info,
    precision,
    ...(recipe ? { recipe } : {}),
    ...(calibrated ? { calibration: calibrated.info } : {}),
    seed,
    ...(scoring ? { documentsSha256: scoring.documentsSha256 } : {}),
  };
}

/** Call before anything is computed. @throws SurgeryError `output` if --output holds anything else */
export async function requireAnalysisOutput(
  { output, force }: Pick<AnalysisOptions, 'output' | 'force'>,
  kind: FindingKind,
): Promise<void> {
  if (output !== undefined) await requireFolder({ output, force }, resultsOf(kind));
}

/**
 * Writes the result, charts and report to --output, if given: all of them or none.
 * @param charts makes the charts, by file name
 */
export async function writeAnalysis<K extends FindingKind>(
  { output, force }: Pick<AnalysisOptions, 'output' | 'force'>,
  kind: K,
  result: FindingResults[K],
  charts: () => Promise<Files>,
  progress: Progress,
): Promise<void> {
  if (output === undefined) return;
  const json = `${JSON.stringify(withoutFolders(result), null, 2)}\n`;
  const { value: drawn } = await progress.step('Drawing the report', 'pages', async () => ({
    ...(await charts()),
    // From the JSON text, so that `surgery report` redraws exactly the same page.
    [pageName]: await findingsPage([{ label: kind, finding: readFinding(kind, JSON.parse(json)) }], result.command),
  }));
  const files: Files = { [fileOf(kind)]: json, ...drawn };
  const folder = await takeOutput({ output, force }, kind, resultsOf(kind));
  try {
    const fill = async (path: string) => {
      for (const [name, text] of Object.entries(files))
        await writeFileSafely(join(path, name), (handle) => handle.writeFile(text));
    };
    await writeFolderSafely(folder.path, fill, force);
  } finally {
    folder.release();
  }
}

/** A command's text output, followed by the path of its report. */
export function withReport(text: string, { output }: Pick<AnalysisOptions, 'output'>): string {
  return output === undefined ? text : `${text}\nReport     ${join(output, pageName)}`;
}

/** The file that holds this kind of result, and by which its folder is recognised. */
export function fileOf(kind: FindingKind): string {
  return `${kind}.json`;
}

function resultsOf(kind: FindingKind): KnownResults {
  return { file: fileOf(kind), words: `${fileOf(kind)} and its charts` };
}
