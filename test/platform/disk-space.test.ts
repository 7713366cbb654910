import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requireSpace } from '../../src/platform/disk-space.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

test('what fits is let through, what does not is refused with both sizes, the place and what to do', async () => {
  const path = join(tmp, 'not/made/yet');
  await requireSpace(path, 1, 'this', 'do that');
  await expect(requireSpace(path, 1e18, 'this', 'do that')).rejects.toMatchObject({
    code: 'output',
    message: expect.stringMatching(/^this takes 1\.00e\+6 TB, .*\/not\/made\/yet has [\d.]+ (MB|GB|TB) free: do that$/),
  });
});

test('a place that cannot be asked is no reason to refuse', async () => {
  await requireSpace('/proc/self/none', 1e18, 'this', 'do that');
});
