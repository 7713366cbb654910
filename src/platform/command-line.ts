// Words → a command line, as a POSIX shell reads it back.

/** The words of a command in one line that a shell splits into the same words. */
export function commandLine(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

/** The words of a line that {@link commandLine} made. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|\\.|[^\s'\\])+/gs)].map(([word]) =>
    word.replace(/'([^']*)'|\\(.)/gs, (_, inQuotes?: string, escaped?: string) => inQuotes ?? escaped ?? ''),
  );
}

/** A word quoted for a shell, if necessary. */
export function quoted(word: string): string {
  return /^[\w./@:=,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
