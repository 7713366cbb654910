// The parameters of the kind `none`: which weights are rewritten unchanged.
import type { Projection } from '../../checkpoint/names.ts';
import type { OperationPlan } from '../kind.ts';

export interface NoneSpec {
  readonly kind: 'none';
  /** Default: q, k, v. */
  readonly targets?: readonly Projection[];
  /** Default: all. */
  readonly layers?: readonly number[];
}

export type NoneOperation = Required<NoneSpec>;

export interface NonePlan extends OperationPlan {
  readonly targets: readonly Projection[];
}
