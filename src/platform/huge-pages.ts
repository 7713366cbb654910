// Settings of the C library's allocator. It reads them from the environment before any JavaScript runs.

/** Large blocks in pages of 2 MB, and back to the system as soon as they are freed. */
const tunables = 'glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4194304';

/** `/dev/fd/11`, `/proc/self/fd/11` */
const openFile = /\/fd\/\d/;

/** What is used of `process`; @types/node 20 does not declare `execve`. */
export interface Restartable {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
  readonly connected?: boolean | undefined;
  readonly execve?: (file: string, args: readonly string[], env: Readonly<Record<string, string | undefined>>) => void;
}

/**
 * Starts the program again in the same process, with the C library set for weights of gigabytes: half of a float32 model's
 * start is otherwise spent on memory in pages of 4 kB. Costs as much as Node's own start. Does nothing where Node cannot
 * (before 22.15) or the system is not Linux, where the user has set GLIBC_TUNABLES, where a parent talks to this
 * process over a channel, and where the command line names an open file by its number, as zsh's `<(…)` does: both would
 * be cut, since Node leaves itself only the first three.
 */
export function restartForLargeModels(program: Restartable = process as Restartable): void {
  const { platform, env, execPath, execArgv, argv, connected, execve } = program;
  if (!execve || platform !== 'linux' || env.GLIBC_TUNABLES !== undefined || connected) return;
  if (argv.some((word) => openFile.test(word))) return;
  try {
    execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...env, GLIBC_TUNABLES: tunables });
  } catch {
    // Not allowed, under Node's permission model say: the program is slower, not wrong.
  }
}
