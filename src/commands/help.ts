// How help is laid out: the overview of all commands, and the common options of each before the others.
import type { CommandUnknownOpts, Help } from '@commander-js/extra-typings';

/** In this order at the head of a command's help, so that its first screen shows what a newcomer needs. */
const common = ['--model', '--base', '--by', '--variance', '--match', '--controls', '--text', '--prompt', '--output'];

/** Longest line of help in a wide terminal, in characters. */
const widest = 100;

/** Columns for help: those of the terminal, or of COLUMNS where there is none. */
export function helpWidth(columns: number | undefined, env: NodeJS.ProcessEnv): number {
  const fromEnvironment = /^\d+$/.test(env.COLUMNS ?? '') ? Number(env.COLUMNS) : 0;
  return Math.min(Math.max(columns ?? (fromEnvironment || 80), 40), widest);
}

/** Lays out a program's help. Call when all its commands are declared. */
export function layOutHelp(program: CommandUnknownOpts): void {
  program.configureHelp({ formatHelp: overview });
  for (const { options } of program.commands) {
    const groups = new Set(options.map(({ helpGroupHeading }) => helpGroupHeading));
    // Few enough options fit a screen in any order.
    if (groups.size < 5) continue;
    const first = common.flatMap((long) => options.find((option) => option.long === long) ?? []);
    for (const option of first) option.helpGroup('Common options:');
    const rest = options.filter((option) => !first.includes(option));
    (options as unknown[]).splice(0, options.length, ...first, ...rest);
  }
}

/** All commands under their headings, without blank lines between: they fit a terminal of 24 rows. */
function overview(program: CommandUnknownOpts, helper: Help): string {
  const width = Math.max(...program.commands.map((one) => one.name().length));
  const headings = [...new Set(program.commands.map((one) => one.helpGroup()))];
  const lines = headings.flatMap((heading) => [
    heading,
    ...program.commands
      .filter((one) => one.helpGroup() === heading)
      .map((one) => helper.formatItem(one.name(), width, one.description(), helper)),
  ]);
  return [
    `Usage: ${program.name()} <command> [options]`,
    helper.boxWrap(program.description(), helper.helpWidth ?? widest),
    ...lines,
    '',
  ].join('\n');
}
