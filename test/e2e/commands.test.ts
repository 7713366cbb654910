import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { surgery } from '../support/cli.ts';
import { type Greedy, golden } from '../support/goldens.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

const tmp = temporaryFolder();

describe('surgery generate', () => {
  test('greedy text is the golden text, streamed as it is', async () => {
    const [, row] = golden<Greedy[]>(fixture('pocket'), 'greedy.json');
    if (!row) throw new Error('no golden text');
    const args = [
      'generate',
      '--model',
      'pocket',
      '--prompt',
      row.prompt,
      '--temperature',
      '0',
      '--max-new-tokens',
      String(row.max_new_tokens),
    ];
    const streamed = await surgery([...args, '--quiet']);
    expect(streamed).toEqual({ code: 0, stdout: `${row.text}\n`, stderr: '' });
    const { stdout } = await surgery([...args, '--json', '--quiet']);
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual(expect.arrayContaining(['format', 'model', 'samples']));
    expect(result.samples[0]).toMatchObject({ prompt: row.prompt, ids: row.ids, text: row.text });
  });

  test('sampling is reproducible by its seed', async () => {
    const make = (seed: string) =>
      surgery([
        'generate',
        '--model',
        'pocket',
        '--temperature',
        '1.5',
        '--max-new-tokens',
        '20',
        '--seed',
        seed,
        '--quiet',
      ]);
    const [a, again, b] = [await make('1'), await make('1'), await make('2')];
    expect(again.stdout).toBe(a.stdout);
    expect(b.stdout).not.toBe(a.stdout);
  });

  test('several prompts, each under its own chat template unless --raw', async () => {
    const model = copyModel(pocket, join(tmp, 'chat'), {
      'tokenizer_config.json': merge({
        chat_template: '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:',
      }),
    });
    const make = async (...more: string[]) =>
      JSON.parse(
        (await surgery(['generate', '--model', model, '--max-new-tokens', '2', '--json', '--quiet', ...more])).stdout,
      ).samples.map(({ prompt }: { prompt: string }) => prompt);
    const wrapped = (text: string) => `user: ${text}\nassistant:`;
    expect(await make('--prompt', 'Hi', '--prompt', 'Bye')).toEqual([wrapped('Hi'), wrapped('Bye')]);
    expect(await make()).toEqual([wrapped('What is machine learning?')]);
    expect(await make('--raw', '--prompt', 'Hi')).toEqual(['Hi']);
  });
});

describe('surgery eval', () => {
  test('scores text alike in every format, and from standard input', async () => {
    const texts = ['Lily was a "clever", kind girl.', 'Nora had a frog.'];
    const files = {
      'a.txt': texts.join('\n<|end|>\n'),
      'a.json': JSON.stringify(texts),
      'a.ndjson': texts.map((text) => JSON.stringify({ text })).join('\n'),
      'a.csv': `id,text\r\n${texts.map((text, i) => `${i},"${text.replaceAll('"', '""')}"\r\n`).join('')}`,
      '-': JSON.stringify(texts),
    };
    const scores = [];
    for (const [name, content] of Object.entries(files)) {
      const path = join(tmp, name);
      writeFileSync(path, content);
      const text = name === '-' ? name : path;
      const through = name === '-' ? `"$@" < '${path}'` : '"$@"';
      const args = ['eval', '--model', 'pocket', '--text', text, '--json', '--quiet'];
      const { stdout } = await surgery(args, { through });
      const result = JSON.parse(stdout);
      expect(result.scores.text).toBe(name === '-' ? 'standard input' : path);
      expect(Object.keys(result)).toEqual(expect.arrayContaining(['format', 'model', 'scores']));
      expect(result.scores).toMatchObject({ documents: 2, maxTokens: 512, rule: expect.stringContaining('BOS first') });
      scores.push(result.scores.nll);
    }
    expect(new Set(scores).size).toBe(1);
  });

  test('answers questions, with accuracy by kind and chance next to it', async () => {
    const { stdout } = await surgery([
      'eval',
      '--model',
      'pocket',
      '--tasks',
      join(pocket, 'tasks.jsonl'),
      '--max-tokens',
      '8',
      '--json',
      '--quiet',
    ]);
    const { tasks } = JSON.parse(stdout);
    // The reference answers 75.0 % of all 400, and by kind as below.
    expect(tasks).toMatchObject({ questions: 400, accuracy: 0.75, chance: 0.25 });
    expect(tasks.byTask.feeling.accuracy).toBe(1);
    expect(tasks.byTask.colour.accuracy).toBeCloseTo(0.32, 2);
    expect(tasks.byTask.place.accuracy).toBeCloseTo(0.398, 3);
  });

  test('a model against itself is exactly the same', async () => {
    const { stdout } = await surgery([
      'eval',
      '--model',
      'pocket',
      '--base',
      'pocket',
      '--max-tokens',
      '16',
      '--json',
      '--quiet',
    ]);
    expect(JSON.parse(stdout).scores).toMatchObject({ kl: 0, sameTop: 1 });
  });

  test('the column that was asked for is named with the text', async () => {
    const path = join(tmp, 'column.csv');
    writeFileSync(path, 'text,story\nno,Nora had a frog.\n');
    const args = ['eval', '--model', 'pocket', '--text', path, '--column', 'story', '--json', '--quiet'];
    const { scores } = JSON.parse((await surgery(args)).stdout);
    expect(scores).toMatchObject({ text: `${path}, column "story"`, documents: 1 });
    expect(scores.tokens).toBeGreaterThan(3);
  });

  test('int8 stays near fp32 and says what it is', async () => {
    const make = async (precision: string) => {
      const args = ['eval', '--model', 'pocket', '--precision', precision, '--max-tokens', '48', '--json', '--quiet'];
      const { stdout, stderr } = await surgery(args);
      expect(stderr).toBe('');
      return JSON.parse(stdout);
    };
    const [exact, fast] = [await make('fp32'), await make('int8')];
    expect(fast.precision).toBe('int8');
    expect(fast.scores.nll).not.toBe(exact.scores.nll);
    expect(Math.abs(fast.scores.nll - exact.scores.nll)).toBeLessThan(0.02);
  });

  test('a run in int8 and an evaluation of its checkpoint give the same figures', async () => {
    const output = join(tmp, 'run-int8');
    const settings = ['--precision', 'int8', '--json', '--quiet'];
    const text = ['--documents', '12', '--max-tokens', '48'];
    const edit = ['--model', 'pocket', '--variance', '0.7', '--no-samples', '--output', output];
    const run = JSON.parse((await surgery(['run', ...edit, ...text, ...settings])).stdout);
    const found = JSON.parse((await surgery(['eval', '--model', join(output, 'model'), ...settings])).stdout);
    expect(found.scores.nll).toBe(run.cell.scores.nll);
    expect(found.scores.nll).not.toBe(run.original.scores.nll);
  });
});

describe('surgery inspect', () => {
  test('prints a text as it is scored', async () => {
    const args = [
      'inspect',
      '--model',
      'pocket',
      '--text',
      'builtin:passages',
      '--documents',
      '2',
      '--max-tokens',
      '9',
    ];
    const { code, stdout } = await surgery([...args, '--quiet']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nText {7}2 documents, 2 of them cut to 9, 16 scored tokens of the built-in\s+passages\n/);
    expect(stdout).toMatch(
      /\n\n=== document 1 of 2, 9 tokens\nThis is the soup\b.*\n\n=== document 2 of 2, 9 tokens\nDear/s,
    );
    const scored = JSON.parse((await surgery(['eval', ...args.slice(1), '--json', '--quiet'])).stdout);
    const { documentsSha256, documents } = JSON.parse((await surgery([...args, '--json', '--quiet'])).stdout);
    expect(documentsSha256).toBe(scored.documentsSha256);
    expect(documents.map(({ ids }: { ids: number[] }) => ids.length)).toEqual([9, 9]);
  });

  test('lists every tensor with the total, ranks at twelve thresholds, and a chart', async () => {
    const { code, stdout } = await surgery(['inspect', '--model', fixture('mha-tied-f16'), '--tensors']);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines.find((line) => line.startsWith('model.layers.0.self_attn.q_proj.weight'))).toMatch(
      /32 × 32 +F16 +1,024/,
    );
    expect(stdout).toMatch(/all tensors/);
    expect(stdout).toMatch(/layer +group +of +\.99 +\.975 +\.95 +\.9 +\.8 +\.7 +\.6 +\.5 +\.4 +\.3 +\.2 +\.1/);
    expect(stdout).toMatch(/[▁▂▃▄▅▆▇█]{5}/);
    expect(
      Math.max(...lines.filter((line) => !line.startsWith('Folder')).map((line) => line.length)),
    ).toBeLessThanOrEqual(80);
  });

  test('has a line for each kind of tensor otherwise', async () => {
    const { stdout } = await surgery(['inspect', '--model', 'pocket', '--quiet']);
    expect(stdout).toMatch(/^q_proj +0-5 +128 × 128 +BF16 +98,304$/m);
    expect(stdout).toMatch(/^embed_tokens +1024 × 128|^model\.embed_tokens +/m);
    expect(stdout).not.toContain('model.layers.');
  });

  test('--json holds the same as data', async () => {
    const { stdout } = await surgery(['inspect', '--model', 'pocket', '--mode', 'separate', '--json', '--quiet']);
    const result = JSON.parse(stdout);
    expect(result.tensors.reduce((sum: number, { parameters }: { parameters: number }) => sum + parameters, 0)).toBe(
      1369728,
    );
    expect(result.spectra).toHaveLength(18);
    expect(result.thresholds).toEqual([0.99, 0.975, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]);
    expect(result.spectra[0].explainedVarianceRatio.reduce((sum: number, share: number) => sum + share, 0)).toBeCloseTo(
      1,
      9,
    );
  });
});

describe('a prompt from standard input', () => {
  const generate = ['generate', '--model', 'pocket', '--max-new-tokens', '3', '--temperature', '0'];
  const piped = (through: string, ...more: string[]) => surgery([...generate, ...more], { through });

  test('is read where it is piped or redirected and no other is given', async () => {
    expect((await piped('echo "The sea" | "$@"')).stdout).toMatch(/^The sea/);
    expect((await piped('"$@" <<< "The sea"')).stdout).toMatch(/^The sea/);
    expect((await piped('echo "The sea" | "$@"', '--prompt', 'A dog')).stdout).toMatch(/^A dog/);
    expect((await piped('echo "The sea" | "$@"', '--prompt', 'A dog', '--prompt', '-')).stdout).toMatch(
      /^A dog.*\nThe sea/s,
    );
  });

  test('is not waited for where nobody writes one', async () => {
    for (const through of ['"$@" < /dev/null', '"$@" <&-', ': | "$@"'])
      expect((await piped(through)).stdout).toMatch(/^Once upon a time/);
    // A pipe that stays open for longer than the test may take.
    const open = await piped('exec 3< <(sleep 600); "$@" <&3; code=$?; kill $!; exit $code');
    expect(open).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Once upon a time/) });
    expect(open.stderr).toContain('nothing came from standard input');
  });

  test('is refused where it is empty, and the second time', async () => {
    expect(await piped(': | "$@"', '--prompt', '-')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/is empty/),
    });
    expect(await piped('echo x | "$@"', '--prompt', '-', '--prompt', '-')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/asked for twice/),
    });
  });
});

describe('help', () => {
  test.each([['--help'], ['run', '--help'], ['--version']])('%s %s', async (...args) => {
    const { code, stdout, stderr } = await surgery(args.filter(Boolean));
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout.length).toBeGreaterThan(4);
  });
});

describe('doctor', () => {
  test('tells what there is, in a form for people and one for programs', async () => {
    const { code, stdout, stderr } = await surgery(['doctor', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ versions: { node: process.versions.node }, defaultModel: { runs: 'pocket' } });
    expect(found.gigaflops).toBeGreaterThan(0.1);
    expect(found.memory.total).toBeGreaterThan(found.memory.free);
    expect(found.fits.int8).toBeGreaterThan(found.fits.fp32);
    const text = await surgery(['doctor']);
    expect(Math.max(...text.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text.stdout).toContain(process.versions.node);
    const named = await surgery(['doctor', '--model', 'pocket']);
    expect(named.stdout).toContain(
      'Model        pocket: 1,369,728 parameters\n             to write text, in fp32 5.48 MB',
    );
    expect(named.stdout).toMatch(/in int8 KL [\d.]+ nats\/token from fp32 on the built-in passages,/);
    expect(named.stdout).toMatch(/Next: .* run --variance 0\.3 --model pocket\n$/);
  });

  test('a folder that cannot be one is a problem, stated with its remedy', async () => {
    const { code, stdout } = await surgery(['doctor', '--json'], { env: { SURGERY_CACHE: '/dev/null/cache' } });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).problems).toEqual([
      expect.stringMatching(/null\/cache\/? cannot be written to: SURGERY_CACHE/),
    ]);
  });
});

test('the help of every command fits 80 columns, with its examples', async () => {
  const { stdout: all } = await surgery(['--help']);
  const names = [...all.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name = '']) => name);
  expect(names).toHaveLength(16);
  // A screen of 24 rows, of which one is the shell's.
  expect(all.trimEnd().split('\n').length).toBeLessThanOrEqual(23);
  expect(await surgery([])).toEqual({ code: 0, stdout: all, stderr: '' });
  for (const name of names) {
    const { stdout } = await surgery([name, '--help']);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  }
});

describe('a config file', () => {
  test('gives options, which are announced, and recorded in the command', async () => {
    const cwd = join(tmp, 'configured');
    mkdirSync(cwd);
    const options = {
      model: 'pocket',
      variance: 0.5,
      documents: 2,
      'max-tokens': 16,
      save: false,
      'max-new-tokens': 2,
    };
    writeFileSync(join(cwd, 'surgery.config.json'), JSON.stringify(options));
    const { code, stderr, stdout } = await surgery(['run', '--documents', '1', '--json', '--output', 'out'], { cwd });
    expect([code, stderr.split('\n')[0]]).toEqual([
      0,
      'Options from surgery.config.json: --model --variance --max-tokens --no-save --max-new-tokens',
    ]);
    const { command, cell, text } = JSON.parse(stdout);
    expect(cell.recipe[0].variance).toBe(0.5);
    expect(text.documents).toBe(1);
    expect(command).toBe(
      'surgery run --model pocket --variance 0.5 --max-tokens 16 --no-save --max-new-tokens 2 --documents 1',
    );
  });
});
