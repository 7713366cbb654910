// One text for equal values, and hashes of them.
import { createHash } from 'node:crypto';

/** JSON with keys in alphabetical order, so that equal things are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** The first 16 hexadecimal digits of the SHA-256 of a value's canonical text. */
export function canonicalHash(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16);
}
