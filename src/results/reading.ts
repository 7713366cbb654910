// Reads result files, and checks every value that a page or a resumed study uses.

import { withPerplexity } from '../scores/nll.ts';
import { upgraded, upgradedCell } from './format.ts';
import { type RunResult, run } from './run.ts';
import { checked, invalid } from './shapes.ts';
import { type CellResult, cell, mismatches, type Study, study, unmatched } from './study.ts';

/**
 * The study in study.json, its keys in the file's order.
 * @throws Error in words that follow the file's name: what is wrong, and where
 */
export function readStudy(value: unknown): Study {
  const known = upgraded(value);
  checked(study, known, 'a study that this version reads');
  const { original } = known as Study;
  return { ...(known as Study), original: original && { ...original, scores: withPerplexity(original.scores) } };
}

/**
 * The cell in a line of cells.jsonl, its keys in the file's order: written again, it must give the same bytes.
 * @param of the study that it is a cell of
 * @throws Error in words that follow the line's number: what is wrong, and where
 */
export function readCell(value: unknown, of: Study | undefined): CellResult {
  const known = upgradedCell(value);
  const read = checked(cell, known, 'a cell') as CellResult;
  const issues = of ? [...mismatches(read, of), ...unmatched(read, of.original)] : [];
  if (issues[0]) throw invalid('a cell of its study', issues[0]);
  return { ...(known as CellResult), scores: withPerplexity((known as CellResult).scores) };
}

/** The run in run.json. @throws Error in words that follow the file's name: what is wrong, and where */
export function readRun(value: unknown): RunResult {
  return checked(run, upgraded(value), 'a run that this version reads') as RunResult;
}
