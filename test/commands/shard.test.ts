import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ownCells, parseShard, shardFromEnvironment } from '../../src/commands/shard.ts';

describe('--shard', () => {
  test.each([
    ['1/1', { index: 0, of: 1 }],
    ['2/8', { index: 1, of: 8 }],
    [' 8 / 8 ', { index: 7, of: 8 }],
    ['007/010', { index: 6, of: 10 }],
  ])('%j', (text, shard) => {
    expect(parseShard(text)).toEqual(shard);
  });

  test.each(['0/8', '9/8', '1/0', '0/0', '', '1', '1/', '/8', '-1/8', '1.5/8', '1/8/2', 'a/b', '1e1/20', '1/9999999'])(
    '%j is refused',
    (text) => {
      expect(() => parseShard(text)).toThrow(
        expect.objectContaining({
          code: 'usage',
          message: expect.stringContaining(`--shard is ${JSON.stringify(text)}`),
        }),
      );
    },
  );
});

describe("a job array's environment", () => {
  const slurm = (task: number | string, count: number | string, least?: number, step?: number) => ({
    SLURM_ARRAY_TASK_ID: `${task}`,
    SLURM_ARRAY_TASK_COUNT: `${count}`,
    ...(least === undefined ? {} : { SLURM_ARRAY_TASK_MIN: `${least}` }),
    ...(step === undefined ? {} : { SLURM_ARRAY_TASK_STEP: `${step}` }),
  });
  const kubernetes = (index: string, completions: string) => ({
    JOB_COMPLETION_INDEX: index,
    JOB_COMPLETIONS: completions,
  });

  test('none is no part', () => {
    expect(shardFromEnvironment({})).toBeUndefined();
    expect(shardFromEnvironment({ SLURM_ARRAY_TASK_ID: '', JOB_COMPLETION_INDEX: '' })).toBeUndefined();
    expect(shardFromEnvironment({ SLURM_ARRAY_TASK_ID: '3', JOB_COMPLETIONS: '4' })).toBeUndefined();
  });

  test("Slurm's tasks are counted from the least, in steps", () => {
    expect(shardFromEnvironment(slurm(0, 4))).toEqual({ index: 0, of: 4 });
    expect(shardFromEnvironment(slurm(4, 4, 1))).toEqual({ index: 3, of: 4 });
    expect([10, 15, 20].map((task) => shardFromEnvironment(slurm(task, 3, 10, 5)))).toEqual([
      { index: 0, of: 3 },
      { index: 1, of: 3 },
      { index: 2, of: 3 },
    ]);
  });

  test("Kubernetes' completions are counted from 0", () => {
    expect(shardFromEnvironment(kubernetes('0', '3'))).toEqual({ index: 0, of: 3 });
    expect(shardFromEnvironment(kubernetes('2', '3'))).toEqual({ index: 2, of: 3 });
  });

  test.each([
    ['a list with gaps', slurm(7, 3, 1, 5), 'SLURM_ARRAY_TASK_ID 7, of 3 from 1 on'],
    ['a task above the count', slurm(4, 4), 'SLURM_ARRAY_TASK_ID 4, of 4 from 0 on'],
    ['a task below the least', slurm(1, 4, 2), 'SLURM_ARRAY_TASK_ID 1, of 4 from 2 on'],
    ['a step of nothing', slurm(1, 4, 1, 0), 'is no part of a whole'],
    ['what is no number', slurm('1.5', 4), 'SLURM_ARRAY_TASK_ID is "1.5"'],
    ['a count that is none', slurm(1, 'four'), 'SLURM_ARRAY_TASK_COUNT is "four"'],
    ['a negative number', kubernetes('-1', '3'), 'JOB_COMPLETION_INDEX is "-1"'],
    ['a completion above the count', kubernetes('3', '3'), 'JOB_COMPLETION_INDEX 3 of 3'],
    ['no count', { JOB_COMPLETION_INDEX: '0' }, 'not JOB_COMPLETIONS: set it to the number of parts'],
  ])('%s is refused', (_, env, message) => {
    expect(() => shardFromEnvironment(env)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(message) }),
    );
  });
});

test('the parts are all cells, each in one part, of about the same size', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 30 }), fc.integer({ min: 1, max: 40 }), (ids, of) => {
      const parts = Array.from({ length: of }, (_, index) => ownCells(ids, { index, of }));
      expect(parts.flat().sort()).toEqual([...ids].sort());
      const sizes = parts.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(ownCells(ids)).toEqual(ids);
    }),
    { seed: 51, numRuns: 100 },
  );
});
