// Tokens as a page shows them.
import { shortened } from '../../terminal/lens.ts';

/** The note that captions add. */
export const spelling = '· begins a word.';

/** A token short enough for a cell, with SentencePiece's mark of a space as a dot. */
export function spelled(token: string): string {
  return shortened(token).replaceAll('▁', '·');
}
