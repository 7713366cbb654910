import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutFiles, type PlannedFile } from '../../src/checkpoint/shards.ts';

const tensors = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 30 });

/** Tensors of these sizes, in two files. */
function planned(sizes: readonly number[]): PlannedFile[] {
  const all = sizes.map((bytes, i) => ({ name: `t${i}`, dtype: 'U8', shape: [bytes], bytes }));
  const half = Math.floor(all.length / 2);
  return [
    { file: 'a.safetensors', tensors: all.slice(0, half), metadata: { a: '1' } },
    { file: 'b.safetensors', tensors: all.slice(half), metadata: { b: '2' } },
  ];
}
const bytesOf = (file: PlannedFile) => file.tensors.reduce((sum, { bytes }) => sum + bytes, 0);

test('every tensor is in exactly one file, and a file is within the limit unless one tensor alone is not', () => {
  fc.assert(
    fc.property(tensors, fc.integer({ min: 1, max: 100 }), (sizes, limit) => {
      const files = cutFiles(planned(sizes), limit);
      const names = files.flatMap((file) => file.tensors.map(({ name }) => name));
      expect([...names].sort()).toEqual(sizes.map((_, i) => `t${i}`).sort());
      for (const file of files) if (bytesOf(file) > limit) expect(file.tensors).toHaveLength(1);
      for (const file of files) expect(file.tensors.length).toBeGreaterThan(0);
      // Tensors that fit come in their order, and no file ends while the next tensor that fits would still go in.
      const small = files.filter((file) => bytesOf(file) <= limit);
      for (const [i, next] of small.entries()) {
        const before = small[i - 1];
        if (before) expect(bytesOf(before) + (next.tensors[0]?.bytes ?? 0)).toBeGreaterThan(limit);
      }
      const order = small.flatMap((file) => file.tensors.map(({ name }) => Number(name.slice(1))));
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }),
  );
});

test('names and metadata are those of Hugging Face', () => {
  const files = planned([5, 5, 5, 5]);
  expect(cutFiles(files, 10).map(({ file }) => file)).toEqual([
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
  ]);
  expect(cutFiles(files, 20)).toMatchObject([{ file: 'model.safetensors', metadata: { a: '1', b: '2' } }]);
});
