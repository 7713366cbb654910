// Tokens as a page shows them.
import { isolated, type Spelled, shortToken, tokenText } from '../../tokens.ts';

/** A token that a cell of a map can show. */
export const spelled = (token: Spelled) => isolated(shortToken(token));

/** A whole token. */
export const spelledOut = (token: Spelled) => isolated(tokenText(token));
