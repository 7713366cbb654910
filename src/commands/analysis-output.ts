// The folder of what a command that looks inside has found: its result as JSON, its charts, and its page.
import { join } from 'node:path';
import type { FindingKind, FindingResults } from '../analyses/results.ts';
import { readFinding } from '../analyses/results.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import { writeFileSafely, writeFolderSafely } from '../platform/atomic-files.ts';
import { findingsPage } from '../report/html/analyses/page.ts';
import type { Progress } from '../report/terminal/progress.ts';
import type { FindingInfo } from '../results/finding.ts';
import { format } from '../results/format.ts';
import type { ModelInfo } from '../results/shapes.ts';
import { hashOf, versions } from './model.ts';
import type { FindingOptions, ModelOptions } from './options.ts';
import { type KnownResults, requireFolder, takeOutput } from './output.ts';
import { pageName } from './study-output.ts';

/** Files by their names in the folder. */
export type Files = Readonly<Record<string, string>>;

/** What every such result begins with. @param documents token ids of the texts, if any are read */
export function findingInfo(
  { precision, seed }: ModelOptions & FindingOptions,
  command: string,
  model: ModelInfo,
  recipe: CompleteRecipe | undefined,
  documents: readonly (readonly number[])[] | undefined,
): FindingInfo {
  return {
    format,
    command,
    versions: versions(),
    model,
    precision,
    ...(recipe ? { recipe } : {}),
    seed,
    ...(documents ? { documentsSha256: hashOf(documents) } : {}),
  };
}

/** Refuses an --output that holds something else, before anything is computed. @throws SurgeryError `output` */
export async function requireFindings({ output, force }: FindingOptions, kind: FindingKind): Promise<void> {
  if (output !== undefined) await requireFolder({ output, force }, resultsOf(kind));
}

/**
 * Writes the result, its charts and its page into the folder that --output names, if it does: all of them or none.
 * @param charts by their names
 */
export async function writeFindings<K extends FindingKind>(
  { output, force }: FindingOptions,
  kind: K,
  result: FindingResults[K],
  charts: () => Promise<Files>,
  progress: Progress,
): Promise<void> {
  if (output === undefined) return;
  const json = `${JSON.stringify(result, null, 2)}\n`;
  const { value: drawn } = await progress.step('Drawing the report', 'pages', async () => ({
    ...(await charts()),
    // From what the file says, as `surgery report` will make it.
    [pageName]: await findingsPage([{ label: kind, finding: readFinding(kind, JSON.parse(json)) }], result.command),
  }));
  const files: Files = { [fileOf(kind)]: json, ...drawn };
  const held = await takeOutput({ output, force }, kind, resultsOf(kind));
  try {
    const fill = async (folder: string) => {
      for (const [name, text] of Object.entries(files))
        await writeFileSafely(join(folder, name), (handle) => handle.writeFile(text));
    };
    await writeFolderSafely(held.path, fill, force);
  } finally {
    held.release();
  }
}

/** The text of a command, and where its page is. */
export function withReport(text: string, { output }: FindingOptions): string {
  return output === undefined ? text : `${text}\nReport     ${join(output, pageName)}`;
}

/** The file that a kind of result is known by. */
export function fileOf(kind: FindingKind): string {
  return `${kind}.json`;
}

function resultsOf(kind: FindingKind): KnownResults {
  return { file: fileOf(kind), words: `${fileOf(kind)} and what belongs to it` };
}
