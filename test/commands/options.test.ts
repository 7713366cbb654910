import { Command } from '@commander-js/extra-typings';
import { describe, expect, test, vi } from 'vitest';
import { runtimeOptions } from '../../src/commands/options.ts';

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
