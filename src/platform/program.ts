// How the user started this program, so that a command that it prints can be pasted as it is.
import { basename, delimiter, dirname, relative, resolve } from 'node:path';
import { quoted } from './command-line.ts';

/** What is used of `process`. */
export interface Started {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: () => string;
}

/** `npx surgery`, `surgery` for one that the shell finds, else `node` with the path of the program's file. */
export function programName({ argv, env, cwd }: Started = process): string {
  const file = resolve(argv[1] ?? 'surgery');
  if (basename(file) === 'surgery' && env.npm_lifecycle_event === 'npx') return 'npx surgery';
  const isFound = (env.PATH ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && resolve(folder) === dirname(file));
  if (basename(file) === 'surgery' && isFound) return 'surgery';
  const short = relative(cwd(), file);
  return `node ${quoted(short.startsWith('..') ? file : short)}`;
}

/** A command as results record it, `surgery …`, with the name that the program was started by. */
export function asStarted(recorded: string): string {
  return recorded.replace(/^surgery\b/, () => programName());
}

/**
 * A command of this program as it can be pasted, on several lines where one would be too long.
 * @param words after the program's name
 * @param indent of the first line, in columns; the others go two columns further in
 */
export function pasteable(words: string, indent = 0, name = programName()): string {
  const parts = `${name} ${words}`.trim().split(/ (?=--)/);
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const longer = last === undefined ? part : `${last} ${part}`;
    // Two columns for the backslash, and two of indentation.
    if (last === undefined || longer.length + indent + 4 <= 80) lines[Math.max(lines.length - 1, 0)] = longer;
    else lines.push(part);
  }
  return lines.join(` \\\n${' '.repeat(indent + 2)}`);
}
