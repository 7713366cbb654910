import { expect, test, vi } from 'vitest';
import { probe } from '../../../src/analyses/probe/probe.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { seededRandom } from '../../../src/linalg/random.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import { fixture, temporaryFolder } from '../../support/paths.ts';

const cache = temporaryFolder();

test('a probe per model and point: the embedding gives the input token away, a zeroed model differs after its block', async () => {
  vi.stubEnv('SURGERY_CACHE', cache);
  const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
  const random = seededRandom(3);
  const documents = Array.from({ length: 12 }, () => [
    1,
    ...Array.from({ length: 20 }, () => 3 + Math.floor(random() * 12)),
  ]);
  const { points, variants } = await probe(checkpoint, documents, {
    recipe: [{ kind: 'zero', blocks: [1] }],
    threads: 1,
  });
  expect(points).toEqual(['embed', '0', '1']);
  const [original, variant] = variants;
  expect(original?.points.map(({ point }) => point)).toEqual(['embed', '0', '1']);
  const first = itemAt(original?.points ?? [], 0).readings.find(
    ({ map, target }) => map === 'probe' && target === 'token',
  );
  expect(first?.reading.top1.value).toBeGreaterThan(0.95);
  // Before the block nothing has changed; maps that are fitted to all points at once have.
  const own = (result: typeof original, point: number) =>
    itemAt(result?.points ?? [], point).readings.filter(({ map }) => map === 'probe');
  for (const point of [0, 1]) expect(own(variant, point)).toEqual(own(original, point));
  expect(own(variant, 2)).not.toEqual(own(original, 2));
});
