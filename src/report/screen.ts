// The terminal that results are printed on: how wide it is, and whether it shows colour.

/** Columns of results where neither a terminal nor COLUMNS says, and the limits of what either says. */
const columns = { usual: 80, least: 40, most: 160 };

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Columns that results may take: those of the terminal, or COLUMNS where stdout is none. */
export function screenWidth(
  stream: Stream = process.stdout,
  env: Readonly<Record<string, string | undefined>> = process.env,
): number {
  const stated = (stream.isTTY && stream.columns) || Number(env.COLUMNS);
  return Number.isInteger(stated) && stated > 0
    ? Math.min(Math.max(stated, columns.least), columns.most)
    : columns.usual;
}

/** Whether a stream takes colour: FORCE_COLOR decides, then NO_COLOR, then whether it is a terminal that has any. */
export function hasColour(
  stream: Stream = process.stdout,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: none, TERM: terminal } = env;
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  if (none !== undefined && none !== '') return false;
  return stream.isTTY === true && terminal !== 'dumb';
}

const codes = { bold: [1, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const;
export type Style = keyof typeof codes;

/** A text in a style, line by line, where stdout takes colour; as it is elsewhere. */
export function styled(text: string, style: Style, colour = hasColour()): string {
  const [open, close] = codes[style];
  return colour ? text.replace(/\S(?:.*\S)?/g, `\x1b[${open}m$&\x1b[${close}m`) : text;
}

/** Blues of the 256 colours, light to dark. */
const blues = [195, 153, 117, 75, 33, 25, 18];

/** A text on a shade of blue, from 0, the lightest, to 1. */
export function shaded(text: string, share: number): string {
  return `\x1b[48;5;${blues[Math.round(share * (blues.length - 1))]}m${text}\x1b[49m`;
}
