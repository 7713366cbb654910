// surgery report: the page of a run or a study made again from its folder, or one page of several.
import { mkdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { writeFileSafely } from '../checkpoint/files.ts';
import { exists } from '../checkpoint/reader.ts';
import { SurgeryError, systemMessage } from '../errors.ts';
import { comparePage, type Entry } from '../report/html/compare-page.ts';
import { runPage } from '../report/html/run-page.ts';
import { studyPage } from '../report/html/study-page.ts';
import { type RunResult, schema } from '../report/results.ts';
import { readStudyFolder } from '../study/folder.ts';
import type { CellResult, Study } from '../study/results.ts';
import { extentOf } from '../study/summary.ts';
import { print, progressOf } from './model.ts';
import { pageName } from './showing.ts';

export interface ReportOptions {
  readonly output?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Where the page of several folders goes, if nothing is said. */
const sideBySide = join('results', 'side-by-side.html');

type Found = { readonly run: RunResult } | { readonly study: Study; readonly cells: ReadonlyMap<string, CellResult> };

/**
 * @param command by which a page of several folders can be made again
 * @throws SurgeryError `output` for a folder without results, for results of another version, and as writing does
 */
export async function report(folders: readonly string[], options: ReportOptions, command: string): Promise<void> {
  const found: Found[] = [];
  for (const folder of folders) found.push(await read(folder));
  const [first] = found;
  const alone = folders.length === 1;
  const path = options.output ?? (alone ? join(folders[0] ?? '', pageName) : sideBySide);
  await requireFile(path);
  const { value: page } = await progressOf(options).step('Drawing the report', 'pages', async () => {
    if (!alone) return comparePage(entriesOf(folders, found), command);
    if (first && 'run' in first) return runPage(first.run);
    if (first) return studyPage(first.study, first.cells);
    throw new TypeError('a report of no folder');
  });
  await mkdir(dirname(resolve(path)), { recursive: true }).catch((cause) => {
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  });
  await writeFileSafely(path, (file) => file.writeFile(page));
  const result = { schema, folders, report: path, bytes: Buffer.byteLength(page) };
  print(options, result, () => `Report     ${path}`);
}

async function read(folder: string): Promise<Found> {
  if (await exists(join(folder, 'run.json'))) return { run: await readRun(join(folder, 'run.json')) };
  if (await exists(join(folder, 'study.json'))) return readStudyFolder(folder);
  throw new SurgeryError(
    'output',
    `${folder} holds neither run.json nor study.json: name a folder that run, sweep or sensitivity has written`,
  );
}

async function readRun(file: string): Promise<RunResult> {
  try {
    const run = JSON.parse(await readFile(file, 'utf8'));
    if (run.schema === schema && Array.isArray(run.curves) && typeof run.date === 'string') return run;
  } catch {
    // Told below.
  }
  throw new SurgeryError('output', `${file} is not a run that this version reads: run its command again`);
}

async function requireFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new SurgeryError('output', `--output ${path} is a folder: name a file`);
}

/** Folders by their names, with their paths where two have the same. */
function entriesOf(folders: readonly string[], found: readonly Found[]): Entry[] {
  const names = folders.map((folder) => basename(resolve(folder)));
  return found.map((one, i) => {
    const name = names[i] ?? '';
    const label = names.filter((other) => other === name).length > 1 ? (folders[i] ?? name) : name;
    return { label, ...('run' in one ? asStudy(one.run) : one) };
  });
}

/** A run as a study of one cell. Documents were not kept apart, so it can be placed beside others but not paired. */
function asStudy(run: RunResult): { study: Study; cells: ReadonlyMap<string, CellResult> } {
  const { model, operation, layers, scores, versions, precision, command, curves } = run;
  const { groups: _, dtype, ...settled } = operation;
  const { original, operated, ...text } = scores;
  const byDocument = { tokens: [], nll: [] };
  const id = 'run';
  const cell: CellResult = {
    ...{ id, operation: settled, extent: extentOf(layers), layers, scores: operated, samples: [] },
    byDocument: { ...byDocument, kl: [] },
  };
  const study: Study = {
    ...{ schema, kind: 'sweep', complete: true, command, model, text, curves, cells: [id] },
    context: {
      ...{ format: 2, versions, model: model.sha256, precision, engine: '', dtype, documents: '' },
      ...{ tasks: null, prompts: null, sampling: null },
    },
    original: { scores: original, byDocument, samples: [] },
    ...{ pairs: [], controls: [], angles: [] },
  };
  return { study, cells: new Map([[id, cell]]) };
}
