// A study's folder: cells.jsonl, which grows by one line per cell, and study.json.
import { open, readdir, readFile, rm, rmdir, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { exists } from '../checkpoint/reader.ts';
import { append, makeFolders, syncFolder, writeFileSafely } from '../platform/atomic-files.ts';
import { canonical } from '../platform/canonical.ts';
import { messageOf, SurgeryError, systemMessage } from '../platform/errors.ts';
import { lockFolder } from '../platform/locks.ts';
import { parseJson } from '../platform/strict-json.ts';
import { readCell, readStudy } from '../results/reading.ts';
import type { CellResult, Study } from '../results/study.ts';

const cellsFile = 'cells.jsonl';
const studyFile = 'study.json';
/** Prefix of scratch files' names. */
const scratch = '.scratch';

/**
 * A study's folder, held by this process. A cell is on the disk when {@link add} returns; whatever ends the process,
 * the next one finds all cells before it.
 */
export class StudyFolder {
  readonly path: string;
  readonly cells: Map<string, CellResult>;
  /** What study.json said when the folder was opened. */
  readonly study: Study | undefined;
  readonly #unlock: () => void;

  private constructor(path: string, cells: Map<string, CellResult>, study: Study | undefined, unlock: () => void) {
    this.path = path;
    this.cells = cells;
    this.study = study;
    this.#unlock = unlock;
  }

  /**
   * @throws SurgeryError `output` if another process has the folder, if it holds something else, or if the system refuses
   */
  static async open(path: string): Promise<StudyFolder> {
    makeFolder(path);
    const unlock = await lockFolder(path);
    try {
      await requireStudyOrEmpty(path);
      // What a process left that was killed.
      for (const name of await readdir(path))
        if (name.startsWith(scratch) || (name.startsWith('.') && name.endsWith('.tmp')))
          await rm(join(path, name), { recursive: true, force: true });
      const study = await readStudyFile(path);
      return new StudyFolder(path, await readCells(join(path, cellsFile), study, true), study, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** A place for a file that goes when the folder is opened next, at the latest. */
  scratch(name: string): string {
    return join(this.path, `${scratch}.${name}`);
  }

  /** Appends a cell and flushes it to the disk. */
  async add(cell: CellResult): Promise<void> {
    const path = join(this.path, cellsFile);
    try {
      const handle = await open(path, 'a');
      try {
        await append(handle, Buffer.from(`${JSON.stringify(cell)}\n`));
        await handle.sync();
        if (this.cells.size === 0) await syncFolder(this.path); // the file may be new
      } finally {
        await handle.close();
      }
    } catch (cause) {
      throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
    }
    this.cells.set(cell.id, cell);
  }

  /**
   * Puts the cells into the study's order where they are in another, those of other grids last, then writes study.json:
   * what says that a study is complete comes after all that belongs to it.
   */
  async write(study: Study): Promise<void> {
    await this.arrange(study);
    await this.writeFile(studyFile, `${JSON.stringify(study, null, 1)}\n`);
  }

  /** Puts the cells into the study's order. */
  async arrange(study: Study): Promise<void> {
    const known = study.cells.filter((id) => this.cells.has(id));
    const others = [...this.cells.keys()].filter((id) => !study.cells.includes(id)).sort();
    const order = [...known, ...others];
    if (order.join() === [...this.cells.keys()].join()) return;
    const sorted = order.flatMap((id) => this.cells.get(id) ?? []);
    await this.writeFile(cellsFile, sorted.map((cell) => `${JSON.stringify(cell)}\n`).join(''));
    this.cells.clear();
    for (const cell of sorted) this.cells.set(cell.id, cell);
  }

  /** Another file of the study. */
  async writeFile(name: string, text: string): Promise<void> {
    await writeFileSafely(join(this.path, name), (handle) => handle.writeFile(text));
  }

  async close(): Promise<void> {
    this.#unlock();
  }

  /** Closes the folder, and takes it away if it held no study and got no cell, unless something else lies in it. */
  async discard(): Promise<void> {
    const isOfUse = this.study !== undefined || this.cells.size > 0;
    // A cell whose writing failed may have left its file.
    if (!isOfUse) for (const name of [cellsFile, studyFile]) await rm(join(this.path, name), { force: true });
    await this.close();
    if (!isOfUse) await rmdir(this.path).catch(() => {});
  }
}

/** A folder's study and its cells, without holding it. @throws SurgeryError `output` where there is none */
export async function readStudyFolder(path: string): Promise<{ study: Study; cells: Map<string, CellResult> }> {
  const study = await readStudyFile(path);
  if (!study) {
    const near = await studiesNear(path);
    const there = near.length > 0 ? `, such as ${near.join(', ')}` : '';
    throw new SurgeryError('output', `${path} holds no study: name a folder with a study.json${there}`);
  }
  const cells = await readCells(join(path, cellsFile), study, false);
  return { study: { ...study, complete: study.complete && study.cells.every((id) => cells.has(id)) }, cells };
}

/** Folders with a study whose names begin as a path does that holds none: "part-1-of-2" where "part-1" was named. */
async function studiesNear(path: string): Promise<string[]> {
  const folder = dirname(path);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(basename(path))).sort();
  const there = await Promise.all(names.map((name) => exists(join(folder, name, studyFile))));
  return names.filter((_, i) => there[i]).map((name) => join(folder, name));
}

/** What names a study's settings: all that {@link differencesOf} compares, and what it calls them by. */
export type Settings = Pick<Study, 'kind' | 'context'> & {
  readonly model: Pick<Study['model'], 'ref'>;
  readonly text: Pick<Study['text'], 'text'>;
};

/**
 * The settings in which two studies differ, each with both values: "precision (fp32, here int8)". Studies that differ in
 * none may share a folder.
 */
export function differencesOf(a: Settings, b: Settings): string[] {
  const [own, other] = [a.context.calibration, b.context.calibration];
  // A study whose cells look at no calibration text can get some that do.
  const calibrations = own !== undefined && other !== undefined ? ([own, other] as const) : [undefined, undefined];
  return differing(settingsOf(a, calibrations[0]), settingsOf(b, calibrations[1])).map(([path, there, here]) => {
    const words = (value: unknown, { model, text }: Settings) =>
      [path === 'model' && model.ref, path === 'text' && text.text, shortened(value)].filter(Boolean).join(' ');
    return `${path} (${words(there, a)}, here ${words(here, b)})`;
  });
}

function settingsOf({ kind, context: { documents, ...rest } }: Settings, calibration: string | undefined) {
  return { kind, ...rest, text: documents, calibration };
}

/** Where two values differ: the path of keys, and what lies there. */
function differing(a: unknown, b: unknown, path: readonly string[] = []): [path: string, a: unknown, b: unknown][] {
  if (canonical(a ?? null) === canonical(b ?? null)) return [];
  if (!isObject(a) || !isObject(b)) return [[path.join('.'), a, b]];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap((key) => differing(a[key], b[key], [...path, key]));
}

function shortened(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (isObject(value)) return 'some';
  return /^[0-9a-f]{64}$/.test(String(value)) ? `${String(value).slice(0, 8)}…` : String(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function makeFolder(path: string): void {
  try {
    makeFolders(path);
  } catch (cause) {
    throw new SurgeryError('output', `${path} cannot be written: ${systemMessage(cause)}`, cause);
  }
}

async function requireStudyOrEmpty(path: string): Promise<void> {
  // Parts of the study and their logs lie in its folder.
  const names = (await readdir(path)).filter((name) => !name.startsWith('.') && !/^(part-|merge\.log$)/.test(name));
  if (names.length > 0 && !names.includes(studyFile))
    throw new SurgeryError('output', `${path} holds other files than a study's: name a new folder`);
}

async function readStudyFile(path: string): Promise<Study | undefined> {
  const file = join(path, studyFile);
  if (!(await exists(file))) return undefined;
  const text = await readFile(file, 'utf8');
  try {
    return readStudy(parseJson(text));
  } catch (cause) {
    throw new SurgeryError('output', `${file} ${messageOf(cause)}: name another folder, or put the file back`, cause);
  }
}

/**
 * The cells of a file. A last line without an end is what a killed process was writing: it is taken away, so that the
 * next one can be appended.
 */
async function readCells(path: string, study: Study | undefined, mend: boolean): Promise<Map<string, CellResult>> {
  const cells = new Map<string, CellResult>();
  if (!(await exists(path))) return cells;
  const text = await readFile(path, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (mend && whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
  for (const [i, line] of whole.split('\n').slice(0, -1).entries()) {
    try {
      const cell = readCell(JSON.parse(line), study);
      cells.set(cell.id, cell);
    } catch (cause) {
      const why = cause instanceof SyntaxError ? `is not a cell: ${messageOf(cause)}` : messageOf(cause);
      const message = `${path}, line ${i + 1} ${why}: remove the line, and it is made again`;
      throw new SurgeryError('output', message, cause);
    }
  }
  return cells;
}
