// Paths that the environment gives, read as Python reads them: what huggingface_hub has put somewhere is found there.
import { spawnSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { SurgeryError } from './errors.ts';

/**
 * What Python's `os.path.expandvars(os.path.expanduser(path))` gives on a POSIX system: `~` and `~name` at the start
 * are home folders, `$NAME` and `${NAME}` anywhere are variables. A name that nobody has stays as it is, and a
 * variable's value is not expanded again.
 * @throws SurgeryError `usage` for `~` where there is no home folder; Python would make a folder named "~"
 */
export function expanded(path: string): string {
  return expandedHome(path).replace(
    /\$(?:([a-z0-9_]+)|\{([^}]*)\})/gi,
    (whole, name, braced) => variable(name ?? braced) ?? whole,
  );
}

/** `$XDG_CACHE_HOME`, else `~/.cache`; to be expanded with what comes behind it, as Python does. */
export function cacheHome(): string {
  return process.env.XDG_CACHE_HOME || join(expandedHome('~'), '.cache');
}

/** Not what `process.env` inherits: `$constructor` is no variable. */
function variable(name: string): string | undefined {
  return Object.hasOwn(process.env, name) ? process.env[name] : undefined;
}

function expandedHome(path: string): string {
  const [, name, rest = ''] = /^~([^/]*)(.*)$/s.exec(path) ?? [];
  const home = name === undefined ? undefined : name === '' ? ownHome() : homeOf(name);
  return home === undefined ? path : home.replace(/\/+$/, '') + rest || '/';
}

function ownHome(): string {
  const { HOME } = process.env;
  if (HOME !== undefined) return HOME;
  try {
    return userInfo().homedir;
  } catch (cause) {
    throw new SurgeryError(
      'usage',
      'this user has no home folder, and HOME is not set: set HOME, or SURGERY_CACHE and HF_HOME to folders of their own',
      cause,
    );
  }
}

/** The home folder of another user: the shell asks the system's user database, which Node cannot. */
function homeOf(name: string): string | undefined {
  if (!/^[a-z_][\w.@+-]*$/i.test(name)) return undefined;
  const { status, stdout } = spawnSync('/bin/sh', ['-c', `printf %s ~${name}`], { encoding: 'utf8' });
  return status === 0 && stdout !== `~${name}` ? stdout : undefined;
}
