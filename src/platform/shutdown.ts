// Clean-up that modules register for the program's end, so that the command line need not import them.

const atOnce = new Set<() => void>();
const awaited = new Set<() => Promise<void>>();

/** Has work done at once when a signal comes, and again at the very end. */
export function atEnd(work: () => void): void {
  atOnce.add(work);
}

/** Has work waited for before a signal ends the program. */
export function beforeEnd(work: () => Promise<void>): void {
  awaited.add(work);
}

/** Does what was given to {@link atEnd}. */
export function tidyUp(): void {
  for (const work of atOnce) work();
}

/** Waits for what was given to {@link beforeEnd}. */
export async function finish(): Promise<void> {
  await Promise.all([...awaited].map((work) => work()));
}

let left = 'nothing half-written is left';

/** The sentence that a signal's message ends with: what is left on disk if the program stops now. */
export function whatIsLeft(): string {
  return left;
}

/** Sets that sentence. Returns a function that restores the previous one. */
export function willLeave(what: string): () => void {
  const before = left;
  left = what;
  return () => {
    left = before;
  };
}
