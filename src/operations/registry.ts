// The kinds of operation there are. A new one is a folder and a line here.
import { fitKind } from './fit/kind.ts';
import type { OperationKind, OperationPlan } from './kind.ts';
import { meanKind } from './mean/kind.ts';
import { noneKind } from './none/kind.ts';
import { pcaKind } from './pca/kind.ts';
import { quantiseKind } from './quantise/kind.ts';
import { zeroKind } from './zero/kind.ts';

export const kinds = {
  pca: pcaKind,
  fit: fitKind,
  zero: zeroKind,
  mean: meanKind,
  quantise: quantiseKind,
  none: noneKind,
} as const;

type Kinds = typeof kinds;
export type KindName = keyof Kinds;

/** An operation: a kind and its parameters. Parameters that are left out have their defaults. */
export type Operation = { [K in KindName]: Parameters<Kinds[K]['complete']>[0] }[KindName];
/** An operation with every default filled in. */
export type CompleteOperation = { [K in KindName]: ReturnType<Kinds[K]['complete']> }[KindName];
/** What an operation did, as result files hold it. */
export type OperationReport = { [K in KindName]: ReportOf<Kinds[K]> }[KindName];
type ReportOf<Kind> = Kind extends { load(): Promise<{ report(...given: never[]): infer Report }> } ? Report : never;

export const kindNames = Object.keys(kinds) as KindName[];

/** Any of the kinds, for those who take an operation as it comes. */
type AnyKind = OperationKind<Operation, CompleteOperation, OperationPlan, unknown, OperationReport, unknown>;

export function kindOf({ kind }: { readonly kind: KindName }): AnyKind {
  return kinds[kind] as unknown as AnyKind;
}
