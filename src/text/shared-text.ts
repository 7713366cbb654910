// Whether two texts have a passage in common, by their token ids.
import { counted } from '../platform/counts.ts';
import { getOrMake } from '../platform/indexing.ts';

/**
 * Tokens that two texts do not have in common by chance. Templates do: pocket's stories share up to some thirty
 * tokens with stories that they have nothing to do with.
 */
const passage = 64;

/**
 * What two texts share, in words: whole documents, or the first passage of 64 tokens. Undefined where they share neither.
 * The first token of a document, which may be BOS in one and not in the other, is left out.
 */
export function sharedText(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): string | undefined {
  const whole = new Set(a.map(keyOf));
  const same = b.filter((ids) => whole.has(keyOf(ids))).length;
  if (same > 0) return counted(same, 'document');
  const known = new Map<number, (readonly [ids: readonly number[], from: number])[]>();
  for (const ids of a) for (const [from, hash] of passages(ids)) getOrMake(known, hash, () => []).push([ids, from]);
  for (const ids of b)
    for (const [from, hash] of passages(ids))
      for (const [others, at] of known.get(hash) ?? [])
        if (isSame(ids, from, others, at)) return `a passage of ${counted(passage, 'token')} or more`;
  return undefined;
}

const keyOf = (ids: readonly number[]) => ids.slice(1).join();

/** Every passage's start and a hash of it, by a polynomial that rolls along (Karp and Rabin 1987). */
function* passages(ids: readonly number[]): Generator<readonly [from: number, hash: number]> {
  const [base, modulus] = [1_000_003, 2_147_483_647];
  let power = 1n;
  for (let i = 0; i < passage; i++) power = (power * BigInt(base)) % BigInt(modulus);
  const leaving = Number(power);
  let hash = 0;
  for (const [i, id] of ids.entries()) {
    hash = times(hash, base, modulus) + id;
    const gone = ids[i - passage];
    if (gone !== undefined) hash -= times(gone, leaving, modulus);
    hash = ((hash % modulus) + modulus) % modulus;
    if (i >= passage) yield [i + 1 - passage, hash];
  }
}

/** a · b mod m, for numbers below 2³¹. */
function times(a: number, b: number, m: number): number {
  const low = b % 65_536;
  const high = (b - low) / 65_536;
  return (((a * high) % m) * 65_536 + a * low) % m;
}

function isSame(a: readonly number[], i: number, b: readonly number[], j: number): boolean {
  for (let k = 0; k < passage; k++) if (a[i + k] !== b[j + k]) return false;
  return true;
}
