// The results folder: whether it may be written, what it already holds, and a lock on it meanwhile.
import { access, constants, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { exists } from '../checkpoint/reader.ts';
import { lockName } from '../platform/atomic-files.ts';
import { SurgeryError, systemMessage } from '../platform/errors.ts';
import { type HeldFolder, holdFolder, requireUnlocked } from '../platform/locks.ts';
import { sweepLeftovers } from '../platform/temp-files.ts';
import type { RunOutputOptions } from './options.ts';

/** Parent of the results folder if --output names none. */
export const resultsFolder = 'results';

/** File of a run's recipe in its folder, ready for --recipe. */
export const recipeName = 'recipe.json';

/** The folder for the results, locked. */
export interface Output extends HeldFolder {
  /** With symbolic links resolved. */
  readonly path: string;
}

/** How a folder of one command's results is recognised. No other folder is ever replaced. */
export interface KnownResults {
  readonly file: string;
  /** "a run's results" */
  readonly words: string;
}

const ofRun: KnownResults = { file: 'run.json', words: "a run's results" };

/** The model's name as part of a folder's name. */
export async function slugOf(ref: string): Promise<string> {
  const name = (await exists(ref)) ? basename(resolve(ref)) : ref;
  return name
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+/, '')
    .toLowerCase();
}

/** Checks the options of `run` before anything is computed. @throws SurgeryError as {@link requireFolder} does */
export async function requireOutput(options: Pick<RunOutputOptions, 'output' | 'force'>): Promise<void> {
  await requireFolder(options, ofRun);
}

/**
 * Checks, before anything is computed, that --output can be written at the end. Removes temporary files that a killed
 * process left next to it.
 * @throws SurgeryError `output`: results are replaced with --force only, anything else never
 */
export async function requireFolder(
  { output, force = false }: Pick<RunOutputOptions, 'output' | 'force'>,
  known: KnownResults,
): Promise<void> {
  const shown = output ?? resultsFolder;
  const path = await withoutLinks(resolve(output ?? join(resultsFolder, 'new')));
  const found = output === undefined ? undefined : await stat(path).catch(() => undefined);
  if (found && !found.isDirectory()) throw refused(shown, 'is a file: name a folder');
  const above = await existing(dirname(path));
  if (!(await stat(above)).isDirectory()) throw refused(shown, `cannot be written: ${above} is a file`);
  for (const folder of found ? [path, above] : [above]) await requireWritable(folder, shown);
  await sweepLeftovers(dirname(path));
  if (!found || output === undefined) return;
  await requireUnlocked(path);
  await requireReplaceable(path, output, force, known);
  if (`${process.cwd()}/`.startsWith(`${path}/`))
    throw refused(output, 'is the folder you are in, or one above it: name one inside it');
  if (found.dev !== (await stat(above)).dev) throw refused(output, 'is a mount point: name a folder inside it');
}

/**
 * Locks the folder for this process: the one that --output names, else a new one in {@link resultsFolder}.
 * @param name of a new folder
 * @throws SurgeryError `output` if another process has it, or has written results to it meanwhile
 */
export async function takeOutput(
  { output, force = false }: Pick<RunOutputOptions, 'output' | 'force'>,
  name: string,
  known: KnownResults = ofRun,
): Promise<Output> {
  if (output === undefined) return takeNew(join(resultsFolder, name));
  const path = await withoutLinks(output);
  const held = await holdFolder(path);
  try {
    await requireReplaceable(path, output, force, known);
    return { path, ...held };
  } catch (error) {
    held.release();
    throw error;
  }
}

/** The first of name, name-2, name-3 … that is empty and not locked. */
async function takeNew(wanted: string): Promise<Output> {
  for (let n = 1; ; n++) {
    const path = n === 1 ? wanted : `${wanted}-${n}`;
    if ((await exists(path)) && (await contentOf(path)).length > 0) continue;
    const held = await holdFolder(path).catch(async (error) => {
      if (await exists(join(path, lockName))) return undefined; // another process was faster
      throw error;
    });
    if (!held) continue;
    if ((await contentOf(path)).length === 0) return { path, ...held };
    held.release();
  }
}

async function requireReplaceable(
  path: string,
  output: string,
  force: boolean,
  { file, words }: KnownResults,
): Promise<void> {
  const content = await contentOf(path);
  if (content.length === 0) return;
  if (!content.includes(file)) throw refused(output, `holds other files than ${words}: name a new folder`);
  if (!force) throw refused(output, 'holds results already: name another folder, or replace them with --force');
}

async function contentOf(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => name !== lockName);
}

async function requireWritable(path: string, output: string): Promise<void> {
  await access(path, constants.W_OK).catch((cause) => {
    throw new SurgeryError('output', `${output} cannot be written: ${systemMessage(cause)}`, cause);
  });
}

async function withoutLinks(path: string): Promise<string> {
  return (await exists(path)) ? realpath(path) : path;
}

/** The nearest existing parent folder. */
async function existing(path: string): Promise<string> {
  return (await exists(path)) || path === dirname(path) ? path : existing(dirname(path));
}

function refused(output: string, what: string): SurgeryError {
  return new SurgeryError('output', `--output ${JSON.stringify(output)} ${what}`);
}
