// A model as scores and analyses take it: a session, and the weights of a variant in it.
import { isPlainObject, requireArgument } from '../platform/arguments.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { Weights } from '../runtime/sequence.ts';
import { Runtime } from '../runtime/session.ts';

/** A session and a variant's weights, from `Runtime.variant`. Without weights: the original. */
export interface Model {
  readonly runtime: Runtime;
  readonly weights?: Weights;
}

/** @throws SurgeryError `usage` */
export function requireRuntime(runtime: Runtime): void {
  requireArgument('runtime', runtime, {
    words: 'a Runtime, from Runtime.open',
    test: (value) => value instanceof Runtime,
  });
}

/** @throws SurgeryError `usage` for anything else than a model; the runtime itself checks the weights */
export function requireModel(name: string, model: Model): void {
  requireArgument(name, model, { words: 'an object with runtime and weights', test: isPlainObject });
  requireRuntime(model.runtime);
  const strange = Object.keys(model).find((key) => !['runtime', 'weights'].includes(key));
  if (strange !== undefined)
    throw new SurgeryError('usage', `${name} has a key ${strange}, allowed: runtime, and weights from Runtime.variant`);
}
