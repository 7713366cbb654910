import { Command } from '@commander-js/extra-typings';
import { describe, expect, test, vi } from 'vitest';
import { int8Notice, modelOption, quietOption, runtimeOptions } from '../../src/commands/options.ts';

describe('--threads', () => {
  const threads = (inherited: string | undefined, ...argv: string[]) => {
    vi.stubEnv('SURGERY_THREADS', inherited);
    return runtimeOptions(new Command()).parse(argv, { from: 'user' }).opts().threads;
  };

  test('comes from the command line, else from the environment', () => {
    expect(threads(undefined)).toBeUndefined();
    expect(threads('')).toBeUndefined();
    expect(threads('3')).toBe(3);
    expect(threads('3', '--threads', '5')).toBe(5);
    expect(threads('0', '--threads', '5')).toBe(5);
  });

  test('an error names the option or the variable it comes from', () => {
    expect(() => threads('some')).toThrow('SURGERY_THREADS is "some", allowed: a whole number from 1 to 256');
    expect(() => threads(undefined, '--threads', '')).toThrow('--threads is ""');
    expect(() => threads('2', '--threads', '0')).toThrow('--threads is "0"');
  });
});

describe('--precision', () => {
  const said = (...argv: string[]) => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const command = quietOption(runtimeOptions(modelOption(new Command()))).action(() => {});
    try {
      command.parse(argv, { from: 'user' });
      return write.mock.calls.map(([text]) => text);
    } finally {
      write.mockRestore();
    }
  };

  test('int8 says what it costs, in one line that measures the own model, and nothing with --quiet', () => {
    expect(said('--precision', 'int8', '--model', 'my model')).toEqual([`${int8Notice('my model')}\n`]);
    expect(int8Notice('my model')).toMatch(/KL .* nats.*--precision int8 --model 'my model' --base 'my model'$/);
    expect(int8Notice()).not.toMatch(/\n|undefined/);
    expect(int8Notice('m', true)).toMatch(/^int8 is not exact: on \S+ and wikitext-2 it costs [^:]*$/);
    expect(said('--precision', 'int8', '--quiet')).toEqual([]);
    expect(said('--precision', 'fp32')).toEqual([]);
    expect(said()).toEqual([]);
  });
});
