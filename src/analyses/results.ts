// The results of lens, unlikely, probe, basis and outliers by kind, and how their files are read.
import type { z } from 'zod';
import { upgradedFinding } from '../results/format.ts';
import { checked } from '../results/shapes.ts';
import { type BasisResult, basis } from './basis/result.ts';
import { type LensResult, lens } from './lens/result.ts';
import { type OutliersResult, outliers } from './outliers/result.ts';
import { type ProbeResult, probe } from './probe/result.ts';
import { type UnlikelyResult, unlikely } from './unlikely/result.ts';

export interface FindingResults {
  readonly lens: LensResult;
  readonly unlikely: UnlikelyResult;
  readonly probe: ProbeResult;
  readonly basis: BasisResult;
  readonly outliers: OutliersResult;
}

/** Also the names of the commands, and of their files, without `.json`. */
export type FindingKind = keyof FindingResults;

/** A result together with its kind. */
export type Finding = { [K in FindingKind]: { readonly kind: K; readonly result: FindingResults[K] } }[FindingKind];

const schemas: { readonly [K in FindingKind]: z.ZodType<FindingResults[K]> } = {
  lens,
  unlikely,
  probe,
  basis,
  outliers,
};

export const findingKinds = Object.keys(schemas) as readonly FindingKind[];

/**
 * A result as it was, but NaN for what is not finite. An older version's is upgraded.
 * @param value of `lens.json`, `unlikely.json`, `probe.json`, `basis.json` or `outliers.json`
 * @throws Error in words that follow the file's name: what is wrong, and where
 */
export function readFinding(kind: FindingKind, value: unknown): Finding {
  const result = checked<FindingResults[FindingKind]>(
    schemas[kind],
    upgradedFinding(value),
    'a result that this version reads',
  );
  return { kind, result } as Finding;
}
