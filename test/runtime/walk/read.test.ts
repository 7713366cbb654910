import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRows, readTensors } from '../../../src/runtime/walk/read.ts';
import { temporaryFolder } from '../../support/paths.ts';

const path = join(temporaryFolder(), 'values');
writeFileSync(path, new Uint8Array(Float32Array.from({ length: 12 }, (_, i) => i).buffer));
const range = { name: 'w', path, begin: 8, end: 48, dtype: 'F32' } as const;

test('tensors and single rows are read from where they lie', () => {
  expect(readTensors([range, { ...range, begin: 0, end: 4 }]).map((values) => [...values])).toEqual([
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    [0],
  ]);
  expect([...readRows(range, 8, [0, 3, 4])]).toEqual([2, 3, 8, 9, 10, 11]);
});

test('a file that has become shorter is one line with the tensor and the file', () => {
  expect(() => readTensors([{ ...range, end: 60 }])).toThrow(
    `${path} ended at byte 48, inside tensor w, while it was read: did it change?`,
  );
});
