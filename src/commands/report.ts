// surgery report: redraws the HTML report of a results folder, or draws one report of several folders.

import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Finding, findingKinds, readFinding } from '../analyses/results.ts';
import { exists } from '../checkpoint/reader.ts';
import { readStudyFolder } from '../experiments/folder.ts';
import { makeFolders, writeFileSafely } from '../platform/atomic-files.ts';
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { parseJson } from '../platform/strict-json.ts';
import { type FindingEntry, findingSections, findingsPage } from '../report/html/analyses/page.ts';
import { comparedStudy, comparePage, type Entry } from '../report/html/compare-page.ts';
import { runPage } from '../report/html/run-page.ts';
import { studyPage } from '../report/html/study-page.ts';
import { format } from '../results/format.ts';
import { readRun } from '../results/reading.ts';
import { asStudy, type RunResult } from '../results/run.ts';
import type { CellResult, Study } from '../results/study.ts';
import { fileOf } from './analysis-output.ts';
import type { ReportOptions } from './command-options.ts';
import { print, progressOf } from './model.ts';
import { pageName } from './study-output.ts';

/** The default path for the report of several folders. */
const sideBySide = join('results', 'side-by-side.html');

/** Results with scores: a report of their own, or a column in a report of several. */
type Scored = { readonly run: RunResult } | { readonly study: Study; readonly cells: ReadonlyMap<string, CellResult> };
type Labelled = Scored & { readonly label: string };
type Found = Scored | { readonly findings: readonly Finding[] };

/**
 * @param command recorded in a report of several folders
 * @throws SurgeryError `output` for a folder without results, for results of another version, and as writing does
 */
export async function report(folders: readonly string[], options: ReportOptions, command: string): Promise<void> {
  const labels = labelsOf(folders);
  const scored: Labelled[] = [];
  const findings: FindingEntry[] = [];
  for (const [i, folder] of folders.entries()) {
    const label = labels[i] ?? folder;
    const found = await read(folder);
    if ('findings' in found) findings.push(...found.findings.map((finding) => ({ label, finding })));
    else scored.push({ label, ...found });
  }
  const path = options.output ?? (folders.length === 1 ? join(itemAt(folders, 0), pageName) : sideBySide);
  await requireFile(path);
  const { value: page } = await progressOf(options).step('Drawing the report', 'pages', () =>
    pageOf(scored, findings, command),
  );
  try {
    makeFolders(dirname(resolve(path)));
  } catch (cause) {
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  }
  await writeFileSafely(path, (file) => file.writeFile(page));
  const result = { format, folders, report: path, bytes: Buffer.byteLength(page) };
  print(options, result, () => `Report     ${path}`);
}

/** Analyses become sections of the scored results' report, or a report of their own if nothing is scored. */
async function pageOf(
  scored: readonly Labelled[],
  findings: readonly FindingEntry[],
  command: string,
): Promise<string> {
  const [first] = scored;
  if (!first) return findingsPage(findings, command);
  const entries = scored.map(asEntry);
  const sections = await findingSections(findings, { command, others: entries.map(comparedStudy) });
  if (scored.length > 1) return comparePage(entries, command, sections);
  return 'run' in first ? runPage(first.run, sections) : studyPage(first.study, first.cells, sections);
}

async function read(folder: string): Promise<Found> {
  if (await exists(join(folder, 'run.json'))) return { run: await readResult(join(folder, 'run.json'), readRun) };
  if (await exists(join(folder, 'study.json'))) return readStudyFolder(folder);
  const findings: Finding[] = [];
  for (const kind of findingKinds)
    if (await exists(join(folder, fileOf(kind))))
      findings.push(await readResult(join(folder, fileOf(kind)), (value) => readFinding(kind, value)));
  if (findings.length > 0) return { findings };
  const files = ['run.json', 'study.json', ...findingKinds.map(fileOf)].join(', ');
  throw new SurgeryError('output', `${folder} holds no results (${files}): name a folder that a command has written`);
}

/** @param checked validates the file's JSON; its errors complete a sentence that begins with the file's name */
async function readResult<T>(file: string, checked: (value: unknown) => T): Promise<T> {
  const text = await readFile(file, 'utf8');
  try {
    return checked(parseJson(text));
  } catch (cause) {
    throw new SurgeryError('output', `${file} ${messageOf(cause)}: run its command again`, cause);
  }
}

async function requireFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new SurgeryError('output', `--output ${path} is a folder: name a file`);
}

/** The folders' names, or paths where two names are equal. */
function labelsOf(folders: readonly string[]): string[] {
  const names = folders.map((folder) => basename(resolve(folder)));
  return names.map((name, i) => (names.filter((other) => other === name).length > 1 ? (folders[i] ?? name) : name));
}

function asEntry({ label, ...one }: Labelled): Entry {
  return { label, ...('run' in one ? asStudy(one.run) : one) };
}
