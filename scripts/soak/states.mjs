// What lies on the disk after a fault, and whether it is one of the states that may be there.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Names of all files below a folder, but for those that are hidden. */
export function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => !path.slice(folder.length).includes('/.'))
    .sort();
}

/** Temporary files, scratch files and locks in a folder. */
export function hiddenIn(folder) {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('.')) : [];
}

/**
 * A hash of a run's whole result: every byte except clock times. Throws for a checkpoint or a JSON file that is broken.
 */
export function fingerprint(folder) {
  const parts = filesIn(folder).map((path) => `${path.slice(folder.length)} ${hash(withoutClock(path))}`);
  return parts.length === 0 ? 'nothing' : hash(parts.join('\n'));
}

function withoutClock(path) {
  const bytes = readFileSync(path);
  if (path.endsWith('.safetensors')) return checked(bytes, path);
  if (path.endsWith('.html')) return checkedPage(bytes, path);
  if (!path.endsWith('/run.json')) return bytes;
  const { date, seconds, tokensPerSecond, ...rest } = JSON.parse(bytes);
  return JSON.stringify([typeof date, Object.keys(seconds), Object.keys(tokensPerSecond), rest]);
}

/** A report has clock times all over: it is whole or not. */
function checkedPage(bytes, path) {
  if (!bytes.toString().trimEnd().endsWith('</html>')) throw new Error(`${path} has no end`);
  return 'a page';
}

/** Bytes of a safetensors file whose tensors lie one after the other up to its end. */
function checked(bytes, path) {
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length));
  let at = 0;
  for (const { data_offsets: offsets } of Object.values(tensors).sort(
    (a, b) => a.data_offsets[0] - b.data_offsets[0],
  )) {
    if (offsets[0] !== at) throw new Error(`${path} has a gap at ${at}`);
    at = offsets[1];
  }
  if (8 + length + at !== bytes.length) throw new Error(`${path} has ${bytes.length} bytes, its header says ${at}`);
  return bytes;
}

/** Files of the cache that are not, byte for byte, what an undisturbed command put there. @param known hashes by file */
export function wrongInCache(cache, known) {
  return filesIn(cache).filter((path) => !known.get(path)?.includes(hash(readFileSync(path))));
}

/** Whole lines of a study's cells. */
export function cellsIn(folder) {
  const path = join(folder, 'cells.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}
