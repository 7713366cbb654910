// surgery.json in a checkpoint that a run wrote: which text the run scored, so that it can be scored again.
import { z } from 'zod';
import type { Frozen } from '../platform/schemas.ts';
import { chunkRules } from '../text/windows.ts';
import { checked, number, text } from './shapes.ts';

/** The file's name. */
export const recordName = 'surgery.json';

const record = z.object({
  /** As --text takes it. */
  text,
  column: text.optional(),
  chunk: z.enum(chunkRules),
  /** How many were asked for. */
  documents: number.optional(),
  maxTokens: number,
  rule: text,
  /** Of the token ids of the documents. */
  documentsSha256: text,
});
const file = z.object({ scored: record });

export type ScoredRecord = Frozen<z.infer<typeof record>>;

export function recordText(scored: ScoredRecord): string {
  return `${JSON.stringify({ scored }, null, 2)}\n`;
}

/** @throws Error in words that follow the file's name: what is wrong, and where */
export function readScoredRecord(value: unknown): ScoredRecord {
  return checked(file, value, 'the record of a run').scored;
}
