// A model in onnxruntime, for commands that write text.

import type { Progress, Timed } from '../report/terminal/progress.ts';
import { Runtime, type RuntimeOptions as SessionOptions } from '../runtime/session.ts';
import type { OpenModel } from './model.ts';
import type { RuntimeOptions } from './options.ts';

/** Loads a model. @throws SurgeryError as {@link Runtime.open} does */
export function openSession(
  { precision, threads }: RuntimeOptions,
  { checkpoint, info }: OpenModel,
  session: Pick<SessionOptions, 'replaceable' | 'variantsTogether'>,
  progress: Progress,
): Promise<Timed<Runtime>> {
  return progress.step(`Loading ${info.ref} into onnxruntime`, 'weights', (onProgress) =>
    Runtime.open(checkpoint, { ...session, precision, threads, onProgress }),
  );
}
