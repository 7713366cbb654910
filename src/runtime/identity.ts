// Identifies a checkpoint's files without reading them.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Checkpoint } from '../checkpoint/reader.ts';

/**
 * 32 hexadecimal digits that change whenever the config or a file of weights does. Files are known by path, size and
 * times; the time of the last change of any kind is one of them, which no copying tool sets back.
 */
export async function checkpointIdentity(checkpoint: Checkpoint): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(checkpoint.config));
  for (const { path } of checkpoint.shards) {
    const { size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    hash.update(`\0${path}\0${size} ${mtimeNs} ${ctimeNs}`);
  }
  return hash.digest('hex').slice(0, 32);
}
