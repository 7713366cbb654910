// onnxruntime's memory stays flat over hundreds of blocks. In a process of its own: the tests' own has other things in it.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { root } from '../../support/paths.ts';

const program = `
  import { openCheckpoint, Walk } from ${JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href)};
  const checkpoint = await openCheckpoint('pocket');
  const walk = new Walk(checkpoint, [Array.from({ length: 200 }, (_, i) => 1 + i)], { threads: 1 });
  const rss = [];
  const onBlock = () => void rss.push(process.memoryUsage().rss / 1e6);
  while (rss.length < 300) await walk.run([], { onBlock });
  await walk.close();
  console.log(rss[99], rss[299]);
`;

test('from block 100, when the heap has settled, to block 300', () => {
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  const [before = Number.NaN, after] = printed.trim().split(' ').map(Number);
  expect(after).toBeLessThan(before + 20);
});
