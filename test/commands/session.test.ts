// What a command says of a model that is larger than the memory.
import { afterEach, expect, test, vi } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { openSession, sayMemory, sessionBytes } from '../../src/commands/session.ts';
import * as limits from '../../src/platform/limits.ts';
import { Progress } from '../../src/report/terminal/progress.ts';
import { pocket } from '../support/paths.ts';

vi.mock('../../src/platform/limits.ts', { spy: true });
afterEach(() => {
  vi.restoreAllMocks();
});

const said: string[] = [];
const progress = new Progress(false, { write: (line: string) => said.push(line) } as never);
const open = async () => {
  said.length = 0;
  return { checkpoint: await Checkpoint.open(pocket), info: { ref: 'pocket' } } as never;
};
const options = (precision: 'fp32' | 'int8') => ({ precision, threads: 1 });
const free = (bytes: number, total = bytes) => vi.mocked(limits.memory).mockReturnValue({ total, free: bytes });

test('a session holds every weight, and those that are replaced once for each model', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const { parameters } = checkpoint;
  const name = 'model.layers.0.self_attn.q_proj.weight';
  const [out = 0, into = 0] = checkpoint.tensor(name).shape;
  expect(sessionBytes(checkpoint, 'fp32')).toBe(4 * parameters);
  expect(sessionBytes(checkpoint, 'int8')).toBe(parameters);
  const replaced = { replaceable: [name], variantsTogether: 2 };
  expect(sessionBytes(checkpoint, 'int8', replaced)).toBe(parameters - out * into + 3 * 4 * out * into);
});

test('a model that cannot fit is refused with the ways that there are', async () => {
  const model = await open();
  free(3e6);
  const refused = (precision: 'fp32' | 'int8', instead?: string) => async () =>
    openSession(options(precision), model, {}, progress, instead);
  await expect(refused('fp32', '--no-samples scores')()).rejects.toThrow(
    'pocket takes about 5.48 MB in fp32 to write text, this process may use 3.00 MB: --precision int8 takes about 1.37 MB, ' +
      '--no-samples scores',
  );
  free(1e6);
  await expect(refused('int8')()).rejects.toThrow('1.00 MB: take a machine with more memory');
});

test('one that fits only if others give way is loaded with a warning', async () => {
  const model = await open();
  free(5e6, 9e9);
  const { value } = await openSession(options('fp32'), model, {}, progress);
  await value.close();
  expect(said[0]).toBe(
    'pocket takes about 5.48 MB in fp32 to write text, and 5.00 MB are free: --precision int8 takes about 1.37 MB\n',
  );
});

test('a model larger than what may be used is said to be read block by block, unless that too is refused before anything is done', async () => {
  const model: { checkpoint: Checkpoint } = await open();
  vi.spyOn(model.checkpoint, 'parameters', 'get').mockReturnValue(1e9);
  free(4e9);
  sayMemory({ precision: 'fp32' }, model as never, progress);
  sayMemory({ memory: 1e9, precision: 'fp32' }, model as never, progress);
  sayMemory({ memory: 4e9, precision: 'fp32' }, model as never, progress);
  sayMemory({ memory: 5e8, precision: 'int8' }, model as never, progress);
  expect(() => sayMemory({ memory: 1e6, precision: 'fp32' }, model as never, progress)).toThrow(
    '1 MB of memory are too few',
  );
  const words = 'pocket takes 4.00 GB in float32: it is read block by block in';
  expect(said).toEqual([
    `${words} 2.00 GB (half of what is free; --memory sets it)\n`,
    `${words} 1.00 GB (--memory)\n`,
    'pocket takes 1.00 GB in int8: it is read block by block in 500 MB (--memory)\n',
  ]);
});
