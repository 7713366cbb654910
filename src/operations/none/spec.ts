// The parameters of the kind `none`: which weights it rewrites.
import type { Projection } from '../../checkpoint/names.ts';

export interface NoneSpec {
  readonly kind: 'none';
  /** Default: q, k, v. */
  readonly targets?: readonly Projection[];
  /** Default: all. */
  readonly layers?: readonly number[];
}

export type NoneOperation = Required<NoneSpec>;
