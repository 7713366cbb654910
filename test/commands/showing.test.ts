import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeStudy } from '../../src/commands/showing.ts';
import { StudyFolder } from '../../src/study/folder.ts';
import { temporaryFolder } from '../support/paths.ts';
import { cell, study } from '../support/studies.ts';

const tmp = temporaryFolder();

test('a study is not called complete before its chart is there: it would never be made again', async () => {
  const path = join(tmp, 'study');
  const folder = await StudyFolder.open(path);
  await folder.add(cell('one', { mode: 'shared-kv', variance: 0.9, mean: 'keep' }));
  await folder.add(cell('two', { mode: 'shared-kv', variance: 0.5, mean: 'keep' }));
  mkdirSync(join(path, 'chart.svg')); // so that writing it fails, as it would where the process ends there
  const complete = study(['one', 'two'], { complete: true });
  await expect(writeStudy(folder, complete)).rejects.toThrow('chart.svg cannot be written');
  expect(existsSync(join(path, 'study.json'))).toBe(false);
  await folder.close();
});
