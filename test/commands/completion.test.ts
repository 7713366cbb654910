import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { describe, expect, test } from 'vitest';
import { completionScript, shells } from '../../src/commands/completion.ts';
import { together } from '../../src/commands/option-groups.ts';
import { modelOption, runOutputOptions, runtimeOptions } from '../../src/commands/options.ts';
import { operationOptions } from '../../src/commands/recipes.ts';
import { needs } from '../support/needs.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const program = new Command('surgery') as unknown as CommandUnknownOpts;
together(
  modelOption,
  operationOptions(),
  runtimeOptions,
  runOutputOptions,
)(program.command('run').description("one: a [model]'s test"));
program.command('completion').addArgument(new Argument('<shell>').choices(shells));

const has = (shell: string) => {
  try {
    execFileSync(shell, ['-c', 'true']);
    return true;
  } catch {
    return false;
  }
};
const needsShell = (shell: string) => needs(has(shell), `${shell} is not installed: make shells`);

function scriptFor(shell: string): string {
  const file = join(tmp, `completion.${shell}`);
  writeFileSync(file, completionScript(shell, program));
  return file;
}

/** What bash would offer for the last of some words. */
function offered(...words: string[]): string[] {
  const file = scriptFor('bash');
  const [current, previous] = [words.at(-1), words.at(-2)];
  const script = `source ${file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _surgery surgery "${current}" "${previous}"; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
}

describe('bash', () => {
  test('offers commands, options, and the words that an option allows', () => {
    expect(offered('surgery', 'r')).toEqual(['run']);
    expect(offered('surgery', 'run', '--pr')).toEqual(['--precision']);
    expect(offered('surgery', 'run', '--mode', 's')).toEqual(['shared-kv', 'separate', 'shared-qkv']);
    expect(offered('surgery', 'run', '--targets', 'g')).toEqual(['gate']);
    expect(offered('surgery', 'run', '--kind', '')).toEqual(['pca', 'zero', 'none']);
    expect(offered('surgery', 'completion', '')).toEqual(expect.arrayContaining([...shells]));
  });

  test("leaves a value that is free to the shell's own completion of files", () => {
    expect(offered('surgery', 'run', '--model', 's')).toEqual([]);
  });
});

test.each(shells)('the script for %s has the options in it', (shell) => {
  expect(completionScript(shell, program)).toContain('precision');
});

for (const shell of shells) {
  test(`${shell} reads its script`, needsShell(shell), () => {
    expect(execFileSync(shell, ['-n', scriptFor(shell)], { encoding: 'utf8' })).toBe('');
  });
}

test('fish offers the same', needsShell('fish'), () => {
  const command = `source ${scriptFor('fish')}; complete -C 'surgery run --mode sep'`;
  expect(execFileSync('fish', ['-c', command], { encoding: 'utf8' })).toMatch(/^separate\t/);
});

test('another shell is refused', () => {
  expect(() => completionScript('tcsh', program)).toThrow('completions for "tcsh", allowed: bash, zsh, fish');
});
