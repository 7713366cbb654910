// Ctrl-C, in the middle of the write and of the text: exit 130, nothing half-written, nothing lost.
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { start, surgery } from '../support/cli.ts';
import { makeModel } from '../support/models.ts';
import { pocket, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

/** A model whose file takes a while to write: a vocabulary of 1.2 million. */
const slowModel = (folder: string) => makeModel(folder, { vocab_size: 1_200_000 }, (name) => name.includes('layers'));

/** A model that is decomposed in threads, for some seconds. */
const wide = (folder: string) =>
  makeModel(folder, {
    hidden_size: 640,
    num_attention_heads: 10,
    num_key_value_heads: 2,
    num_hidden_layers: 8,
    head_dim: 64,
  });

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(1);
}

const unfinished = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.tmp'));

test.each(['SIGINT', 'SIGTERM'] as const)('%s during the write', async (signal) => {
  const model = slowModel(join(tmp, `slow-${signal}`));
  const work = join(tmp, signal);
  mkdirSync(work);
  const child = start(['run', '--model', model, '--prompt', 'The cat', '--output', join(work, 'out')]);
  await until(() =>
    readdirSync(work, { recursive: true, encoding: 'utf8' }).some((name) => /model\.safetensors.*\.tmp$/.test(name)),
  );
  child.kill(signal);
  const { code, stderr } = await child.ended;
  expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
  expect(stderr).toContain('stopped, nothing half-written is left');
  expect(readdirSync(work)).toEqual([]);
});

test('Ctrl-C while text is generated leaves old results as they were, and meanwhile nobody else may have them', async () => {
  const output = join(tmp, 'kept');
  const quick = ['--max-tokens', '4', '--output', output];
  await surgery(['run', '--model', 'pocket', '--max-new-tokens', '2', '--quiet', ...quick]);
  const before = readFileSync(join(output, 'run.json'), 'utf8');
  // So many prompts that the text takes long enough to be interrupted.
  const prompts = Array.from({ length: 200 }, (_, i) => ['--prompt', `Story ${i}`]).flat();
  const child = start(['run', '--model', pocket, '--max-new-tokens', '100', '--force', ...prompts, ...quick]);
  await until(() => existsSync(join(output, '.lock')));
  const second = await surgery(['run', '--model', 'pocket', '--force', '--quiet', ...quick]);
  expect(second).toMatchObject({ code: 2, stderr: expect.stringContaining(`is in use by process ${child.pid}`) });
  child.kill('SIGINT');
  const { code, stderr } = await child.ended;
  expect(code).toBe(130);
  expect(stderr).toMatch(/surgery: stopped, nothing half-written is left\n$/);
  expect(readFileSync(join(output, 'run.json'), 'utf8')).toBe(before);
  expect(readdirSync(output).sort()).toEqual(['model', 'recipe.json', 'report.html', 'run.json', 'samples.txt']);
  expect(unfinished(tmp)).toBe(false);
});

test('Ctrl-C while threads decompose waits for them and leaves nothing', async () => {
  const model = wide(join(tmp, 'wide'));
  const work = join(tmp, 'decomposing');
  mkdirSync(work);
  for (const pause of [300, 600, 900]) {
    const child = start(['run', '--model', model, '--prompt', 'The cat'], {
      cwd: work,
      env: { SURGERY_CACHE: join(work, `cache-${pause}`) },
    });
    let outputText = '';
    child.stderr?.on('data', (text: string) => {
      outputText += text;
    });
    await until(() => outputText.includes('Operating on'));
    await sleep(pause);
    child.kill('SIGINT');
    const { code, stderr } = await child.ended;
    expect(stderr).toContain('stopped, nothing half-written is left');
    expect(code).toBe(130);
    expect(unfinished(work)).toBe(false);
    expect(readdirSync(work)).not.toContain('results');
  }
});

/** Commands that look inside, on a text long enough to be interrupted at. */
const looking = (command: string, model: string) => [
  ...[command, '--model', model, '--text', join(pocket, 'valid.txt'), '--documents', '60', '--threads', '1'],
  ...['--output', 'results'],
];

test.each([
  ['lens', 'Running'],
  ['unlikely', 'Reading the text'],
  ['probe', 'Running'],
  ['basis', 'Running'],
] as const)('Ctrl-C while %s says "%s" leaves nothing', async (command, stage) => {
  const work = join(tmp, `inside-${command}`);
  mkdirSync(work);
  const env = { SURGERY_CACHE: join(work, 'cache') };
  const child = start(looking(command, wide(join(tmp, 'wide'))), { cwd: work, env });
  let said = '';
  child.stderr?.on('data', (text: string) => {
    said += text;
  });
  await until(() => said.includes(stage));
  await sleep(100);
  child.kill('SIGINT');
  const { code, stderr } = await child.ended;
  expect(stderr).toContain('stopped, nothing half-written is left');
  expect(code).toBe(130);
  expect(readdirSync(work).filter((name) => name !== 'cache')).toEqual([]);
  const residuals = join(env.SURGERY_CACHE, 'residuals');
  expect(existsSync(residuals) ? readdirSync(residuals) : []).toEqual([]);
});

test('a file that becomes shorter while lens walks through it is one line, exit 2', async () => {
  const model = wide(join(tmp, 'shorter'));
  const work = join(tmp, 'shrinking');
  mkdirSync(work);
  const child = start(looking('lens', model), { cwd: work });
  child.stderr?.on('data', (text: string) => {
    if (text.includes('Running')) truncateSync(join(model, 'model.safetensors'), 1e6);
  });
  const { code, stderr } = await child.ended;
  expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('Running'))).toEqual([
    expect.stringMatching(
      /^surgery: .*model\.safetensors ended at byte 1000000, inside tensor model\..*: did it change\?$/,
    ),
  ]);
  expect(code).toBe(2);
  expect(readdirSync(work)).toEqual([]);
});

test('a reader that goes away leaves nothing half-written either', async () => {
  const work = join(tmp, 'pipe');
  mkdirSync(work);
  const through = 'set -o pipefail; "$@" 2>&1 | head -1 >/dev/null';
  await surgery(['run', '--model', 'pocket', '--max-tokens', '8', '--max-new-tokens', '4'], { cwd: work, through });
  expect(unfinished(work)).toBe(false);
});
