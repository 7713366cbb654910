// A sweep as an array job under a real Slurm: one node, this machine. Skipped where Slurm is not installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { cli, surgery } from '../support/cli.ts';
import { needs } from '../support/needs.ts';
import { root, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const cluster = join(tmp, 'slurm');
const isThere = ['munged', 'slurmctld', 'slurmd', 'sbatch'].every((program) =>
  ['/usr/sbin', '/usr/bin'].some((folder) => existsSync(join(folder, program))),
);
const slurm = (script: string, args: readonly string[], env = {}) =>
  spawnSync(join(root, 'scripts/slurm', script), args, { encoding: 'utf8', env: { ...process.env, ...env } });

describe('under Slurm', needs(isThere, 'Slurm is not installed: make slurm'), () => {
  afterAll(() => {
    slurm('one-node.sh', ['stop', cluster]);
  });

  test('an array job of three parts and a merge give the study of one machine', async () => {
    const text = join(tmp, 'few.json');
    writeFileSync(text, JSON.stringify(['Once upon a time there was a cat.', 'The dog ran to the park and sat.']));
    const sweep = ['--model', 'pocket', '--text', text, '--variance', '0.9,0.5,0.3', '--no-samples', '--threads', '1'];
    const started = slurm('one-node.sh', ['start', cluster]);
    expect([started.status, started.stderr]).toEqual([0, '']);
    const env = {
      SLURM_CONF: join(cluster, 'slurm.conf'),
      SURGERY: `${process.execPath} ${cli}`,
      CPUS: '1',
      HF_HUB_CACHE: '/nonexistent',
    };
    const study = join(tmp, 'study');
    const submitted = slurm('sweep.sh', ['3', study, ...sweep], env);
    expect([submitted.status, submitted.stderr]).toEqual([0, '']);
    for (let waited = 0; waited < 400 && !existsSync(join(study, 'study.json')); waited++) await sleep(500);
    const alone = join(tmp, 'alone');
    expect((await surgery(['sweep', ...sweep, '--output', alone])).code).toBe(0);
    for (const file of ['study.json', 'cells.jsonl'])
      expect(readFileSync(join(study, file), 'utf8'), file).toBe(readFileSync(join(alone, file), 'utf8'));
    for (const part of [1, 2, 3]) expect(existsSync(join(study, `part-${part}-of-3`, 'cells.jsonl'))).toBe(true);
  });
});
