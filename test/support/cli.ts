// The built program as a user starts it.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { root } from './paths.ts';

export const cli = join(root, 'dist/cli.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A shell command that starts what it is given, `"$@"`. */
  readonly through?: string;
}

/** Starts `surgery` with these arguments; no model cache is in sight. */
export function start(
  args: readonly string[],
  { cwd = root, env = {}, through }: StartOptions = {},
): ChildProcess & { ended: Promise<Ended> } {
  const command = [process.execPath, cli, ...args];
  const [file = '', ...rest] = through ? ['bash', '-c', through, 'bash', ...command] : command;
  const child = spawn(file, rest, {
    cwd,
    env: { ...process.env, HF_HUB_CACHE: '/nonexistent', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return Object.assign(child, { ended });
}

export function surgery(args: readonly string[], options?: StartOptions): Promise<Ended> {
  return start(args, options).ended;
}

/** `surgery report` on a folder gives the page that the command wrote, byte for byte. */
export async function expectRemade(folder: string): Promise<void> {
  const page = readFileSync(join(folder, 'report.html'), 'utf8');
  rmSync(join(folder, 'report.html'));
  const { code, stderr } = await surgery(['report', folder, '--quiet']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(readFileSync(join(folder, 'report.html'), 'utf8') === page).toBe(true);
}
