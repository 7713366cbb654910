import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeStudy } from '../../src/commands/study-output.ts';
import { StudyFolder } from '../../src/experiments/folder.ts';
import { Progress } from '../../src/report/terminal/progress.ts';
import { temporaryFolder } from '../support/paths.ts';
import { cell, study } from '../support/studies.ts';

const tmp = temporaryFolder();

test.each(['chart.svg', 'report.html'])(
  'a study is not called complete before its %s is there: it would never be made again',
  async (name) => {
    const path = join(tmp, name);
    const folder = await StudyFolder.open(path);
    await folder.add(cell('one', { mode: 'shared-kv', variance: 0.9, mean: 'keep' }));
    await folder.add(cell('two', { mode: 'shared-kv', variance: 0.5, mean: 'keep' }));
    mkdirSync(join(path, name)); // so that writing it fails, as it would where the process ends there
    const complete = study(['one', 'two'], { complete: true });
    const writing = writeStudy(folder, complete, true, new Progress(true));
    await expect(writing).rejects.toThrow(`${name} cannot be written`);
    expect(existsSync(join(path, 'study.json'))).toBe(false);
    await folder.close();
  },
);
