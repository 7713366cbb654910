// A model in onnxruntime, for commands that write text, and what memory means for a model.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { SurgeryError } from '../platform/errors.ts';
import { memory } from '../platform/limits.ts';
import { size } from '../report/format.ts';
import type { Progress, Timed } from '../report/terminal/progress.ts';
import type { Precision } from '../runtime/precision.ts';
import { Runtime, type RuntimeOptions as SessionOptions } from '../runtime/session.ts';
import { requireMemory } from '../runtime/walk/walk.ts';
import type { OpenModel } from './model.ts';
import type { MemoryOptions, RuntimeOptions } from './options.ts';

type SessionSettings = Pick<SessionOptions, 'replaceable' | 'variantsTogether'>;

/**
 * Loads a model.
 * @param instead another way to the command's figures, named where the model does not fit
 * @throws SurgeryError `usage` for a model that this machine's memory cannot hold, and as {@link Runtime.open} does
 */
export function openSession(
  { precision, threads }: RuntimeOptions,
  { checkpoint, info }: OpenModel,
  session: SessionSettings,
  progress: Progress,
  instead?: string,
): Promise<Timed<Runtime>> {
  const { total, free } = memory();
  const needed = sessionBytes(checkpoint, precision, session);
  const words = `${info.ref} takes about ${size(needed)} in ${precision} to write text`;
  const fast = sessionBytes(checkpoint, 'int8', session);
  const ways = [
    ...(precision === 'fp32' && fast < total ? [`--precision int8 takes about ${size(fast)}`] : []),
    ...(instead ? [instead] : []),
  ].join(', ');
  if (needed > total)
    throw new SurgeryError(
      'usage',
      `${words}, this process may use ${size(total)}: ${ways || 'take a machine with more memory'}`,
    );
  if (needed > free) progress.say(`${words}, and ${size(free)} are free${ways && `: ${ways}`}`);
  return progress.step(`Loading ${info.ref} into onnxruntime`, 'weights', (onProgress) =>
    Runtime.open(checkpoint, { ...session, precision, threads, onProgress }),
  );
}

/** What a command can do that scores and writes text. */
export const withoutText = '--no-samples scores without text, block by block';

/** Bytes that a session's weights take, with the original's and the variants' replaceable ones. */
export function sessionBytes(
  checkpoint: Checkpoint,
  precision: Precision,
  { replaceable = [], variantsTogether = 1 }: SessionSettings = {},
): number {
  const replaced = checkpoint.numbersIn(replaceable);
  const kept = checkpoint.parameters - replaced;
  return (precision === 'fp32' ? 4 : 1) * kept + 4 * (1 + variantsTogether) * replaced;
}

/**
 * Says how a model is read that takes more memory than may be used.
 * @throws SurgeryError `usage` where too little may be used to read it at all
 */
export function sayMemory(
  { memory: given, precision }: MemoryOptions & Pick<RuntimeOptions, 'precision'>,
  { checkpoint, info }: OpenModel,
  progress: Progress,
): void {
  const whole = (precision === 'int8' ? 1 : 4) * checkpoint.parameters;
  const allowed = requireMemory(checkpoint, given, precision);
  if (whole <= allowed) return;
  const limit = given === undefined ? 'half of what is free; --memory sets it' : '--memory';
  progress.say(
    `${info.ref} takes ${size(whole)} in ${precision === 'int8' ? precision : 'float32'}: it is read block by block in ${size(allowed)} (${limit})`,
  );
}
