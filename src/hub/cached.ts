// Whether the cache holds a whole model. Imports none of the code that a download needs.
import { join } from 'node:path';
import { exists, indexFile, parseIndex, singleFile } from '../checkpoint/reader.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { cachedSnapshot, type Repository } from './paths.ts';

/** Folder of a model that the cache holds with all its weights, whoever put it there. */
export async function cachedModel(repository: Repository, revision: string): Promise<string | undefined> {
  const folder = await cachedSnapshot(repository, revision);
  return folder !== undefined && (await isWhole(folder)) ? folder : undefined;
}

async function isWhole(folder: string): Promise<boolean> {
  const has = (file: string) => exists(join(folder, file));
  if (!(await has('config.json'))) return false;
  if (await has(singleFile)) return true;
  const index = await readText(folder, indexFile, maxBytes.index);
  if (index === undefined) return false;
  const found = await Promise.all([...new Set(parseIndex(index, join(folder, indexFile)).values())].map(has));
  return found.every(Boolean);
}
