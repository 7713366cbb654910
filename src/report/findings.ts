// What lens, unlikely, probe and basis leave behind, by kind.
import type { BasisResult } from './terminal/basis.ts';
import type { LensResult } from './terminal/lens.ts';
import type { ProbeResult } from './terminal/probe.ts';
import type { UnlikelyResult } from './terminal/unlikely.ts';

export interface FindingResults {
  readonly lens: LensResult;
  readonly unlikely: UnlikelyResult;
  readonly probe: ProbeResult;
  readonly basis: BasisResult;
}

/** Also the names of the commands, and of their files, without `.json`. */
export type FindingKind = keyof FindingResults;

/** A result together with what made it. */
export type Finding = { [K in FindingKind]: { readonly kind: K; readonly result: FindingResults[K] } }[FindingKind];

export const findingKinds: readonly FindingKind[] = ['lens', 'unlikely', 'probe', 'basis'];
