import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { surgery } from '../support/cli.ts';
import { needs, noShared } from '../support/needs.ts';
import { fixture, hasShared, pocket, root, shared, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const quick = ['--max-new-tokens', '12', '--max-tokens', '24', '--threads', '1'];

/** The first of pocket's held-out stories: enough where the figures themselves are not the point. */
function fewStories(): string {
  const path = join(tmp, 'few.txt');
  writeFileSync(
    path,
    readFileSync(join(pocket, 'valid.txt'), 'utf8').split('<|end|>\n').slice(0, 20).join('<|end|>\n'),
  );
  return path;
}
const runJson = (folder: string) => JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'));

describe('surgery run', () => {
  test('without a model says that pocket stands in, and writes a whole result', async () => {
    const output = join(tmp, 'first');
    const { code, stdout, stderr } = await surgery(['run', '--variance', '0.3', '--output', output, ...quick]);
    expect(code).toBe(0);
    expect(stderr.split('\n')[0]).toMatch(
      /TinyLlama.* is not in the Hugging Face cache, and .* the network off: running the embedded pocket model instead/,
    );
    expect(readdirSync(output).sort()).toEqual(['model', 'recipe.json', 'report.html', 'run.json', 'samples.txt']);
    expect(readdirSync(tmp)).toEqual(['first']);
    for (const part of [
      'Model      pocket',
      'rank / of',
      'original',
      'operated',
      'perplexity',
      'Seconds',
      'the model is broken',
      output,
    ])
      expect(stdout).toContain(part);
    expect(
      Math.max(
        ...stdout
          .split('\n')
          .filter((line) => !line.includes(tmp) && !line.includes(root) && !line.startsWith('Next'))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80);

    const run = runJson(output);
    expect(Object.keys(run)).toEqual(
      expect.arrayContaining([
        'format',
        'kind',
        'command',
        'versions',
        'model',
        'text',
        'original',
        'cell',
        'curves',
        'seconds',
        'documentsSha256',
      ]),
    );
    expect(run).toMatchObject({
      format: 3,
      kind: 'run',
      model: {
        ref: 'pocket',
        architecture: 'LlamaForCausalLM',
        layers: 6,
        parameters: 1369728,
        dtype: 'BF16',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        notice: expect.stringContaining('pocket'),
      },
      text: { documents: 200, maxTokens: 24, tokens: 200 * 23 },
      original: { scores: { nll: expect.any(Number) } },
      cell: {
        recipe: [{ kind: 'pca', mode: 'shared-kv', variance: 0.3, mean: 'keep' }],
        scores: { kl: expect.any(Number), sameTop: expect.any(Number) },
      },
    });
    // Elsewhere the default may be another model.
    expect(run.command).toMatch(/^surgery run .*--model pocket$/);
    expect(readFileSync(join(output, 'run.json'), 'utf8')).not.toContain(tmp);
    expect(JSON.parse(readFileSync(join(output, 'model/surgery.json'), 'utf8')).scored).toMatchObject({
      text: 'builtin:pocket',
      maxTokens: 24,
      documentsSha256: run.documentsSha256,
    });
    const [{ layers }] = run.cell.reports;
    expect(layers).toHaveLength(6);
    expect(layers[0].groups.map(({ name }: { name: string }) => name)).toEqual(['q', 'kv']);
    expect(Object.keys(layers[0].groups[1].relativeError)).toEqual(['k', 'v']);
    expect(Object.keys(run.seconds)).toEqual(['load', 'decompose', 'write', 'generate', 'score', 'diagnose', 'total']);
    const [before, after] = [run.original.samples, run.cell.samples];
    expect([before.length, after.length]).toEqual([1, 1]);
    expect(before[0].text.startsWith('Once upon a time')).toBe(true);
    expect(before[0].ids.length).toBeGreaterThan(5);
    for (const { text } of [...before, ...after])
      expect(readFileSync(join(output, 'samples.txt'), 'utf8')).toContain(text);
  });

  test('the written checkpoint scores exactly as the run said, and a plain Python script reads it', async ({
    skip,
  }) => {
    const output = join(tmp, 'scored');
    await surgery([
      'run',
      '--model',
      'pocket',
      '--variance',
      '0.7',
      '--mode',
      'separate',
      '--output',
      output,
      '--text',
      fewStories(),
      ...quick,
    ]);
    const run = runJson(output);
    const { stdout } = await surgery([
      'eval',
      '--model',
      join(output, 'model'),
      '--base',
      'pocket',
      '--threads',
      '1',
      '--json',
    ]);
    const { scores, baseScores, documentsSha256, command } = JSON.parse(stdout);
    // The run's own text, cut as it was.
    expect(documentsSha256).toBe(run.documentsSha256);
    expect(command).toContain(`--text ${fewStories()} --chunk documents --max-tokens 24`);
    expect(baseScores.nll).toBeCloseTo(run.original.scores.nll, 5);
    // The eval session holds all weights as initialisers, the run's session feeds some: float32 sums differ in the last digits.
    expect(scores.nll).toBeCloseTo(run.cell.scores.nll, 5);
    expect(scores.kl).toBeCloseTo(run.cell.scores.kl, 5);
    expect(scores.sameTop).toBeCloseTo(run.cell.scores.sameTop, 3);

    const python = spawnSync('python3', [join(root, 'scripts/reference/read_back.py'), join(output, 'model'), pocket], {
      encoding: 'utf8',
    });
    if (python.error) return skip('python3 is not here: its read-back was not tried');
    expect(python.stderr).toBe('');
    const tensors: Record<string, { shape: number[]; dtype: string; same: boolean }> = JSON.parse(python.stdout);
    const source = await Checkpoint.open(pocket);
    expect(Object.keys(tensors).sort()).toEqual([...source.tensors.keys()].sort());
    for (const [name, { shape, dtype, same }] of Object.entries(tensors)) {
      expect({ shape, dtype }).toEqual({ shape: source.tensor(name).shape, dtype: 'BF16' });
      expect(same, name).toBe(!/\.[qkv]_proj\./.test(name));
    }
  });

  test('at full variance perplexity moves by less than 0.01 %', async () => {
    const output = join(tmp, 'full');
    const text = ['--text', fewStories(), '--max-tokens', '96'];
    await surgery(['run', '--model', 'pocket', '--variance', '1', '--output', output, '--no-save', ...quick, ...text]);
    const { original, cell } = runJson(output);
    expect(Math.abs(cell.scores.perplexity / original.scores.perplexity - 1)).toBeLessThan(1e-4);
    expect(existsSync(join(output, 'model'))).toBe(false);
  });

  test('--json prints one document, which is run.json and the folders here; --quiet prints nothing else', async () => {
    const output = join(tmp, 'json');
    const { stdout, stderr } = await surgery([
      'run',
      '--model',
      fixture('mqa-bias-f32'),
      '--prompt',
      'The cat',
      '--text',
      text(),
      '--output',
      output,
      '--json',
      '--quiet',
      ...quick,
    ]);
    expect(stderr).toBe('');
    const { output: folder, model, ...printed } = JSON.parse(stdout);
    expect([folder, model.path]).toEqual([output, fixture('mqa-bias-f32')]);
    const { path: _, ...portable } = model;
    expect({ ...printed, model: portable }).toEqual(runJson(output));
    await expectReported(output);
  });

  test('without --output each run gets a folder of its own in results/', async () => {
    const args = [
      'run',
      '--model',
      fixture('mqa-bias-f32'),
      '--prompt',
      'The cat',
      '--text',
      text(),
      '--mean',
      'drop',
      '--no-save',
      ...quick,
    ];
    for (let i = 0; i < 2; i++) expect((await surgery(args, { cwd: tmp })).code).toBe(0);
    expect(readdirSync(join(tmp, 'results')).sort()).toEqual([
      'mqa-bias-f32-shared-kv-0.9-drop',
      'mqa-bias-f32-shared-kv-0.9-drop-2',
    ]);
  });

  test('sharded input stays sharded, --dtype is honoured, tasks are answered by both', async () => {
    const output = join(tmp, 'sharded');
    const tasks = join(tmp, 'tasks.jsonl');
    writeFileSync(
      tasks,
      `${JSON.stringify({ task: 'a', context: 'The cat', choices: [' was', ' the'], answer: 0 })}\n`,
    );
    const { code, stdout } = await surgery([
      'run',
      '--model',
      fixture('gqa-headdim-llama3-bf16-sharded'),
      '--dtype',
      'F32',
      '--prompt',
      'The cat',
      '--text',
      text(),
      '--tasks',
      tasks,
      '--output',
      output,
      ...quick,
    ]);
    expect(code).toBe(0);
    expect(readdirSync(join(output, 'model')).filter((name) => name.endsWith('.safetensors'))).toHaveLength(2);
    expect((await Checkpoint.open(join(output, 'model'))).dtype).toBe('F32');
    expect(runJson(output)).toMatchObject({
      tasks: { file: tasks },
      original: { tasks: { questions: 1, chance: 0.5 } },
      cell: { tasks: { questions: 1 } },
    });
    expect(stdout).toContain('chance');
  });

  test('--max-shard-size cuts the checkpoint; a plain Python script reads it and finds what is not operated on', async ({
    skip,
  }) => {
    const output = join(tmp, 'cut');
    const args = ['run', '--model', 'pocket', '--text', fewStories(), '--max-shard-size', '0.5MB', '--output', output];
    expect((await surgery([...args, ...quick])).code).toBe(0);
    const files = readdirSync(join(output, 'model')).filter((name) => name.endsWith('.safetensors'));
    expect(files.length).toBeGreaterThan(5); // of 2.7 MB
    expect(existsSync(join(output, 'model/model.safetensors.index.json'))).toBe(true);
    const script = join(root, 'scripts/reference/read_back.py');
    const python = spawnSync('python3', [script, join(output, 'model'), pocket], { encoding: 'utf8' });
    if (python.error) return skip('python3 is not here: its read-back was not tried');
    expect(python.stderr).toBe('');
    const tensors: Record<string, { same: boolean }> = JSON.parse(python.stdout);
    expect(Object.keys(tensors)).toHaveLength((await Checkpoint.open(pocket)).tensors.size);
    for (const [name, { same }] of Object.entries(tensors)) expect(same, name).toBe(!/\.[qkv]_proj\./.test(name));
  });

  test('--no-samples writes the same checkpoint and scores, layer by layer, and no text', async () => {
    const [written, scored] = ['with-samples', 'without-samples'].map((name) => join(tmp, name)) as [string, string];
    const read = ['--max-tokens', '24', '--threads', '1'];
    const common = ['run', '--model', 'pocket', '--variance', '0.8', '--text', fewStories()];
    expect((await surgery([...common, ...quick, '--output', written])).code).toBe(0);
    const { code, stdout, stderr } = await surgery([...common, ...read, '--no-samples', '--output', scored]);
    expect(code).toBe(0);
    expect(stdout + stderr).not.toMatch(/Samples|Loading|Generating/);
    expect(readdirSync(scored).sort()).toEqual(['model', 'recipe.json', 'report.html', 'run.json']);
    const weights = (folder: string) => readFileSync(join(folder, 'model/model.safetensors'));
    expect(weights(scored).equals(weights(written))).toBe(true);
    const { cell, curves, tokensPerSecond } = runJson(scored);
    expect({ cell, curves }).toEqual({
      cell: { ...runJson(written).cell, samples: [] },
      curves: runJson(written).curves,
    });
    expect(tokensPerSecond).toEqual({ original: [], variant: [] });
  });

  test('a recipe that a run has written makes the same variant again, and may have several kinds', async () => {
    const [cut, again, both] = ['cut', 'cut-again', 'both'].map((name) => join(tmp, `by-recipe-${name}`)) as [
      string,
      string,
      string,
    ];
    const common = ['--model', 'pocket', '--text', fewStories(), '--no-save', ...quick];
    const zero = await surgery(['run', 'zero', '--heads', '2.5,0.0', '--mlp', '1', ...common, '--output', cut]);
    expect([zero.code, zero.stdout]).toEqual([0, expect.stringContaining('zeroed: heads 0.0,2.5, MLP 1')]);
    const operations = [{ kind: 'zero', heads: ['0.0', '2.5'], mlp: [1] }];
    expect(JSON.parse(readFileSync(join(cut, 'recipe.json'), 'utf8'))).toEqual({ format: 1, operations });

    const file = join(tmp, 'both.json');
    writeFileSync(file, JSON.stringify([...operations, { kind: 'pca', variance: 0.3 }]));
    for (const [recipe, output] of [
      [join(cut, 'recipe.json'), again],
      [file, both],
    ] as const)
      expect((await surgery(['run', '--recipe', recipe, ...common, '--output', output])).code).toBe(0);
    const { cell } = runJson(cut);
    expect(runJson(again).cell).toEqual(cell);
    const { id, reports, scores } = runJson(both).cell;
    expect(id).not.toBe(cell.id);
    expect(reports.map(({ kind }: { kind: string }) => kind)).toEqual(['zero', 'pca']);
    expect(scores.kl).toBeGreaterThan(cell.scores.kl);
  });

  test('a drop run on stories260k gives the golden row', needs(hasShared, noShared), async () => {
    const output = join(tmp, 'drop');
    const model = join(shared, 'models/stories260k');
    await surgery([
      'run',
      '--model',
      model,
      '--variance',
      '0.9',
      '--mean',
      'drop',
      '--max-tokens',
      '256',
      '--max-new-tokens',
      '5',
      '--text',
      join(shared, 'text/tinystories-60.json'),
      '--output',
      output,
    ]);
    const goldens = JSON.parse(readFileSync(join(shared, 'goldens/stories260k/scores.json'), 'utf8'));
    const row = goldens.operated.find(
      (one: { mode: string; variance: number; mean: string }) =>
        one.mode === 'shared-kv' && one.variance === 0.9 && one.mean === 'drop',
    );
    const { scores } = runJson(output).cell;
    expect(scores.perplexity / row.perplexity).toBeCloseTo(1, 4);
    expect(scores.kl / row.kl).toBeCloseTo(1, 3);
  });
});

/** `surgery report` makes the same page of run.json again, and of a damaged one none: the page stays. */
async function expectReported(output: string): Promise<void> {
  const page = join(output, 'report.html');
  const written = readFileSync(page, 'utf8');
  writeFileSync(page, 'old');
  expect((await surgery(['report', output])).code).toBe(0);
  expect(readFileSync(page, 'utf8') === written).toBe(true);
  const { original, ...rest } = runJson(output);
  const { perplexity: _, ...scores } = original.scores;
  writeFileSync(join(output, 'run.json'), JSON.stringify({ ...rest, original: { ...original, scores } }));
  const { code, stdout, stderr } = await surgery(['report', output]);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(
    /^surgery: .*run\.json is not a run that this version reads, at original\.scores\.perplexity: .*: run its command again\n$/,
  );
  expect(readFileSync(page, 'utf8') === written).toBe(true);
}

/** A small text that the tiny tokenizers can spell. */
function text(): string {
  const path = join(tmp, 'text.txt');
  writeFileSync(path, 'The cat was in the box\n<|end|>\nThe box was in the end\n');
  return path;
}
