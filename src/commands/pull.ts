// surgery pull: downloads a model to the Hugging Face cache, or completes and updates its cached copy.

import { pullReference } from '../hub/model-reference.ts';
import { offlineBy } from '../hub/paths.ts';
import { SurgeryError } from '../platform/errors.ts';
import { programName } from '../platform/program.ts';
import { pullText } from '../report/terminal/text.ts';
import { format } from '../results/format.ts';
import type { PullResult } from '../results/outputs.ts';
import type { PullOptions } from './command-options.ts';
import { print, progressOf } from './model.ts';

export async function pull(ref: string, options: PullOptions): Promise<void> {
  const off = offlineBy(options.offline);
  if (off !== undefined)
    throw new SurgeryError(
      'usage',
      `${off} keeps the network off, and ${programName()} pull needs it: leave it out; a model that is cached needs no pull`,
    );
  const { folder, commit, files, received } = await pullReference(ref, progressOf(options));
  const result: PullResult = {
    format,
    ref,
    path: folder,
    commit,
    files: files.map(({ path, size, etag }) => ({ path, bytes: size, hash: etag })),
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    received,
  };
  print(options, result, () => pullText(result));
}
