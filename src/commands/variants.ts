// The models that the commands which look inside compare: the original and, where an operation is asked for, the operated one.
import { operate } from '../decompose/operate.ts';
import type { Settled } from '../decompose/operation.ts';
import type { TapOptions } from '../graph/taps.ts';
import type { Model } from '../measure/score.ts';
import type { Progress } from '../report/progress.ts';
import { Runtime } from '../runtime/session.ts';
import type { OpenModel } from './model.ts';
import { operationOf, touched } from './operations.ts';
import type { ModelOptions, OperationOptions } from './options.ts';

export interface Variant extends Model {
  readonly name: 'original' | 'operated';
}

export interface Variants {
  readonly runtime: Runtime;
  /** The original first. */
  readonly variants: readonly Variant[];
}

/** The operation of a command that does without one as well; `operated` comes from options.ts's `asksForOperation`. */
export function wantedOperation(
  options: OperationOptions & { readonly operated: boolean },
  { checkpoint }: OpenModel,
): Settled | undefined {
  return options.operated ? operationOf(options, checkpoint.config) : undefined;
}

/** One session with taps that serves the original and the operated model. */
export async function openVariants(
  options: ModelOptions & OperationOptions,
  operation: Settled | undefined,
  { checkpoint, info }: OpenModel,
  taps: Pick<TapOptions, 'sublayers'>,
  progress: Progress,
): Promise<Variants> {
  const { precision, threads, dtype, pcaEngine: engine } = options;
  const operated =
    operation &&
    (await progress.step(`Decomposing ${info.ref}`, 'groups', (onProgress) =>
      operate(checkpoint, operation, { dtype, threads, engine, onProgress }),
    ));
  const { value: runtime } = await progress.step(`Loading ${info.ref} into onnxruntime`, 'weights', (onProgress) =>
    Runtime.open(checkpoint, {
      ...{ precision, threads, taps: true, sublayers: taps.sublayers ?? false, onProgress },
      replaceable: operation ? touched([operation]) : [],
    }),
  );
  const original: Variant = { name: 'original', runtime };
  if (!operated) return { runtime, variants: [original] };
  const weights = runtime.variant(operated.value.tensors);
  return { runtime, variants: [original, { name: 'operated', runtime, weights }] };
}
