// What can happen to a run: signals at random moments, limits, a disk that fills up, calls that the system refuses.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const has = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Mounts a small disk of its own; false where that takes more rights than we have. */
export function mountDisk(folder) {
  return has('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', folder]);
}

export function unmountDisk(folder) {
  spawnSync('umount', ['-l', folder], { stdio: 'ignore' });
}

/**
 * Kinds of faults that this machine lets us try: name → (world, random) → what happened. `world` says how the program is
 * started (`args`, `env`), where it writes (`base`, `out`) and how long it takes (`milliseconds`).
 */
export function availableFaults({ ownDisk }) {
  const faults = {
    SIGKILL: signalled('SIGKILL'),
    SIGTERM: signalled('SIGTERM'),
    SIGINT: signalled('SIGINT'),
    EFBIG: (world, random) => {
      const blocks = Math.floor(2 ** (14 * random())); // of 1 kB, up to 16 MB: more than the largest file
      return ended(start(world, ['bash', '-c', `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`, 'bash']));
    },
  };
  if (ownDisk) faults.ENOSPC = fullDisk;
  if (has('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', '-e', 'inject=fsync:error=EIO', 'true'])) {
    faults['EIO from fsync'] = refused('fsync', 'error=EIO', 8);
    faults['EROFS from rename'] = refused('rename', 'error=EROFS', 14);
    faults['EACCES from mkdir'] = refused('mkdir', 'error=EACCES', 4);
    faults['SIGKILL at a rename'] = refused('rename', 'signal=SIGKILL', 14);
  }
  return faults;
}

function signalled(signal) {
  return async (world, random) => {
    const child = start(world);
    const end = ended(child);
    await momentOf(world, random, end);
    child.kill(signal);
    return end;
  };
}

/** From some moment on nothing fits any more. */
async function fullDisk(world, random) {
  const child = start(world);
  const end = ended(child);
  await momentOf(world, random, end);
  const filler = join(world.base, 'filler');
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M'], { stdio: 'ignore' });
  const result = await end;
  rmSync(filler, { force: true });
  return result;
}

/** The n-th of a thread's calls of a kind is refused, or the process dies at it. */
function refused(call, what, most) {
  return (world, random) => {
    const nth = 1 + Math.floor(most * random());
    const inject = `inject=${call}:${what}:when=${nth}`;
    return ended(start(world, ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject]));
  };
}

/** Waits: for any time at all, or until the checkpoint is written, or the last files are; at most until the end. */
async function momentOf({ base, milliseconds }, random, end) {
  const kind = random();
  const pause = kind < 0.4 ? milliseconds * 1.05 * random() : kind < 0.7 ? 60 * random() : 12 * random();
  let over = false;
  const done = end.then(() => {
    over = true;
  });
  const marks = kind < 0.7 ? [/\.tmp$/] : [/\.tmp$/, /^(\.?run\.json|\.study\.json|cells\.jsonl)/];
  while (kind >= 0.4 && !over && !matches(base, marks)) await sleep(0.5);
  await Promise.race([sleep(pause), done]);
}

/**
 * Whether a folder holds an entry like the first mark, and if there are two, one of the second kind in it or next to
 * it.
 */
function matches(base, [first, second]) {
  try {
    const found = readdirSync(base).filter((name) => first.test(name));
    if (!second) return found.length > 0 || existsSync(join(base, 'study/.lock'));
    const inside = [...found, 'study'].flatMap((name) =>
      existsSync(join(base, name)) ? readdirSync(join(base, name)) : [],
    );
    return inside.some((name) => second.test(name));
  } catch {
    return false; // it went while we looked
  }
}

function start({ args, env }, before = []) {
  const [command, ...rest] = [...before, process.execPath, ...args];
  const child = spawn(command, rest, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderrText = '';
  child.stderr.on('data', (text) => {
    child.stderrText += text;
  });
  return child;
}

/** A program without a fault. */
export function undisturbed(world) {
  return ended(start(world));
}

function ended(child) {
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stderr: child.stderrText }));
  });
}
