// The folder of what a command that looks inside has found: its result as JSON, and its charts.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileSafely, writeFolderSafely } from '../checkpoint/files.ts';
import { SurgeryError, systemMessage } from '../errors.ts';
import type { FindingOptions } from './options.ts';

/** Files by their names in the folder. */
export type Files = Readonly<Record<string, string>>;

/**
 * Refuses an --output that holds something, before anything is computed.
 * @param result the file by which results of this command are known; they are replaced with --force only
 * @throws SurgeryError `output`
 */
export async function requireFindings({ output, force }: FindingOptions, result: string): Promise<void> {
  if (output === undefined) return;
  const refuse = (what: string): never => {
    throw new SurgeryError('output', `--output ${JSON.stringify(output)} ${what}`);
  };
  if (output.trim() === '') refuse('names no folder');
  const found = await stat(output).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new SurgeryError('output', `${output} cannot be written: ${systemMessage(cause)}`, cause);
  });
  if (!found) return;
  if (!found.isDirectory()) refuse('is a file: name a folder');
  const content = await readdir(output);
  if (content.length === 0) return;
  if (!content.includes(result)) refuse(`holds other files than ${result} and its charts: name a new folder`);
  if (!force) refuse('holds results already: name another folder, or replace them with --force');
}

/** Writes all files into the folder that --output names, if it does: all of them or none. */
export async function writeFindings({ output, force }: FindingOptions, files: () => Promise<Files>): Promise<void> {
  if (output === undefined) return;
  await writeFolderSafely(
    output,
    async (folder) => {
      for (const [name, text] of Object.entries(await files()))
        await writeFileSafely(join(folder, name), (handle) => handle.writeFile(text));
    },
    force,
  );
}
