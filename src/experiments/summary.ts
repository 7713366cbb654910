// Paired differences and additivity, computed from a study's cells. Pure arithmetic.

import { itemAt, lookUp } from '../platform/indexing.ts';
import type { Additivity, CellResult, Difference, OriginalResult, SensitivityResult, Study } from '../results/study.ts';
import type { ByDocument } from '../scores/likelihood.ts';
import { meanOver } from '../scores/token-sums.ts';

/** A study with everything that follows from the cells that are there. */
export function summarised(study: Study, cells: ReadonlyMap<string, CellResult>): Study {
  const { pairs, controls, sensitivity, original } = study;
  return {
    ...study,
    complete: original !== null && study.cells.every((id) => cells.has(id)),
    pairs: pairs.map((pair) => {
      const [cell, partner] = [cells.get(pair.cell), cells.get(pair.partner)];
      if (!cell || !partner) return { ...pair, difference: null, met: null };
      const met = pair.rule === 'error' ? reaches(partner, cell) : true;
      return { ...pair, difference: difference(cell, partner), met };
    }),
    controls: controls.map((control) => {
      const [own, of] = [cells.get(control.cell), lookUp(cells, control.of)];
      return { ...control, difference: own && of ? difference(own, of) : null };
    }),
    ...(sensitivity ? { sensitivity: withAdditivity(sensitivity, cells, original) } : {}),
  };
}

/** How the effects of a sensitivity study add up, as far as its cells are there. */
export function withAdditivity(
  sensitivity: Omit<SensitivityResult, 'additivity'>,
  cells: ReadonlyMap<string, CellResult>,
  original: OriginalResult | null,
): SensitivityResult {
  return {
    ...sensitivity,
    additivity: sensitivity.joint.map((joint, threshold) => {
      const parts = sensitivity.rows.map((row) => cells.get(itemAt(row.cells, threshold)));
      return original ? additivityOf(cells.get(joint), parts, original.byDocument) : null;
    }),
  };
}

/** The sum of the separate effects compared with the joint effect. Null where a cell is missing. */
function additivityOf(
  joint: CellResult | undefined,
  parts: readonly (CellResult | undefined)[],
  original: ByDocument,
): Additivity | null {
  if (!joint || parts.length === 0) return null;
  let summed = original.nll.map(() => 0);
  const effects = (cell: CellResult) => minus(cell.byDocument.nll, original.nll);
  for (const part of parts) {
    if (!part) return null;
    summed = effects(part).map((value, i) => value + itemAt(summed, i));
  }
  const { tokens } = original;
  const { mean, interval } = meanOver(tokens, minus(effects(joint), summed));
  return {
    joint: meanOver(tokens, effects(joint)).mean,
    sum: meanOver(tokens, summed).mean,
    difference: mean,
    interval,
  };
}

/** First minus second, paired by document. */
function difference(a: CellResult, b: CellResult): Difference {
  const { tokens } = a.byDocument;
  const nll = meanOver(tokens, minus(a.byDocument.nll, b.byDocument.nll));
  const kl = meanOver(tokens, minus(a.byDocument.kl, b.byDocument.kl));
  return { deltaNll: nll.mean, interval: nll.interval, deltaKl: kl.mean, intervalKl: kl.interval };
}

/**
 * Whether a partner's error over what shares a PCA, k and v or all of q, k and v, is within the shared cell's, up to
 * rounding to float32. Null where a cell has no such error.
 */
function reaches(partner: CellResult, shared: CellResult): boolean | null {
  const [operation] = shared.recipe;
  // Fits are matched in the loss of their objective, not in the error of the weights. All directions together lose nothing.
  if (operation?.kind === 'fit') return true;
  const isQkv = operation?.kind === 'pca' && operation.mode === 'shared-qkv';
  const error = ({ footprint }: CellResult) => (isQkv ? footprint?.relativeError : footprint?.relativeErrorKv) ?? null;
  const [own, most] = [error(partner), error(shared)];
  return own === null || most === null ? null : own <= most * (1 + 1e-5) + 1e-6;
}

function minus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value - itemAt(b, i));
}
