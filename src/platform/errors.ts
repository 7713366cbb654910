// The program's only error class: a mistake that the user can correct, described in one line.

/** What went wrong, as one word that a script can test. */
export type ErrorCode =
  | 'usage' // an option, a threshold, a mode
  | 'model' // a reference that leads to no checkpoint
  | 'config' // config.json and its neighbours
  | 'checkpoint' // safetensors files
  | 'unsupported' // a valid checkpoint that this program cannot run
  | 'text' // documents, tasks and prompts
  | 'network' // the Hub cannot be reached, or does not give what it should
  | 'output' // where results are written
  | 'numeric'; // NaN, infinity, overflow

/**
 * A mistake by the user or in a file. The command line prints it as one line and exits with 2. The message says what
 * was found, where, what is allowed and what to do. Any other error is a bug of this program and is printed with its
 * stack.
 */
export class SurgeryError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SurgeryError';
    this.code = code;
  }
}

/** Longest message that is shown, in characters: names and texts of a file can have any length. */
const longest = 2000;

/** The message of anything thrown, on one line and without control characters: it may quote a file. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.slice(0, longest).replace(/\s*\n\s*/g, ' ');
  return `${line.replace(/\p{Cc}/gu, '\uFFFD')}${text.length > longest ? '…' : ''}`;
}

/** A JSON value shortened for an error message. Never throws. */
export function shown(value: unknown): string {
  try {
    const text = String(JSON.stringify(value));
    return text.length > 80 ? `${text.slice(0, 80)}…` : text;
  } catch {
    return 'a value nested too deeply'; // JSON.parse takes any depth, JSON.stringify does not
  }
}

/** A system error in plain words, such as "no space left on the device". */
export function systemMessage(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words: Record<string, string> = {
    ENOENT: 'no such file or folder',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'it is a folder',
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left on the device',
    EFBIG: 'the file would exceed the size limit',
    EDQUOT: 'the disk quota is used up',
    EEXIST: 'a file of that name is in the way',
    EMFILE: 'too many files are open (ulimit -n)',
    ENFILE: 'too many files are open on this machine',
    ENAMETOOLONG: 'the name is too long',
    ELOOP: 'symbolic links lead in a circle',
    EIO: 'the device reports an error',
    EBUSY: 'it is in use by the system',
  };
  return words[code] ?? messageOf(error);
}

/**
 * A system error with a path as a SurgeryError: wherever it happens, it is not a bug.
 * @returns undefined for anything else that was thrown
 */
export function refusal(error: unknown): SurgeryError | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'path' in error)) return undefined;
  return new SurgeryError('output', `${error.path}: ${systemMessage(error)} (${error.syscall})`, error);
}
