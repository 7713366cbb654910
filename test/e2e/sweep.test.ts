// surgery sweep, sensitivity and merge as a user runs them.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/linalg/random.ts';
import { pcaOf } from '../../src/report/cells.ts';
import type { CellResult, Study } from '../../src/results/study.ts';
import { start, surgery } from '../support/cli.ts';
import { golden, type Scores } from '../support/goldens.ts';
import { makeModel } from '../support/models.ts';
import { needs, noShared } from '../support/needs.ts';
import { hasShared, pocket, shared, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

const text = join(tmp, 'few.json');
writeFileSync(
  text,
  JSON.stringify(
    readFileSync(join(pocket, 'valid.txt'), 'utf8')
      .split('<|end|>')
      .slice(0, 6)
      .map((one) => one.trim()),
  ),
);

/** A small study of every kind of cell. */
const grid = ['--variance', '0.9,0.5', '--match', 'width,parameters,error', '--controls'];
const textAlone = ['--model', 'pocket', '--text', text, '--max-tokens', '24', '--threads', '1'];
const scoring = [...textAlone, '--max-new-tokens', '6'];
const sweep = (output: string, args: readonly string[] = grid, options = {}) =>
  surgery(['sweep', ...args, ...scoring, '--output', join(tmp, output)], options);

const read = (folder: string, file: string) => readFileSync(join(tmp, folder, file), 'utf8');
const cellsOf = (folder: string): CellResult[] =>
  read(folder, 'cells.jsonl')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const studyOf = (folder: string): Study => JSON.parse(read(folder, 'study.json'));

/** The study that others are compared with, made once. */
let whole: Promise<unknown> | undefined;
const uninterrupted = () => (whole ??= sweep('whole').then((ended) => expect(ended.code).toBe(0)));

describe('a sweep', () => {
  test('of which the folder holds more says so, and leaves the rest', async () => {
    await uninterrupted();
    const { stdout } = await sweep('whole', ['--variance', '0.9']);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain("has 23 cells; above are this command's 2.");
    expect(cellsOf('whole')).toHaveLength(23);
  });

  test('has every cell once, pairs and controls, and doing nothing costs exactly nothing', async () => {
    await uninterrupted();
    const study = studyOf('whole');
    const cells = cellsOf('whole');
    expect(study.complete).toBe(true);
    expect(cells.map(({ id }) => id)).toEqual(study.cells);
    expect(new Set(study.cells).size).toBe(23);
    expect(study.pairs.map(({ rule }) => rule).sort()).toEqual(
      ['error', 'parameters', 'variance', 'width'].flatMap((rule) => [rule, rule]),
    );
    const byId = new Map(cells.map((cell) => [cell.id, cell]));
    for (const { rule, cell: a, partner: b, difference, met } of study.pairs) {
      const [one, other] = [byId.get(a), byId.get(b)];
      expect(met).toBe(true);
      expect(difference?.deltaNll).toBeCloseTo((one?.scores.nll ?? 0) - (other?.scores.nll ?? 0), 12);
      if (rule === 'width') expect(one?.footprint?.width).toBe(other?.footprint?.width);
      if (rule === 'parameters')
        expect(other?.footprint?.parameters.reduced).toBeLessThanOrEqual(one?.footprint?.parameters.reduced ?? 0);
    }
    const none = cells.find(({ recipe }) => recipe[0]?.kind === 'none');
    expect(none?.scores).toMatchObject({ kl: 0, deltaNll: 0, sameTop: 1, klQuantiles: { max: 0 } });
    expect(none?.scores.nll).toBe(study.original?.scores.nll);
    const [own, original] = [none?.samples[0], study.original?.samples[0]];
    expect(own?.logprobs).toHaveLength(6);
    for (const same of [own?.logprobs, own?.underOriginal, own?.ofOriginal]) expect(same).toEqual(original?.logprobs);
    expect(own?.pieces.join('')).toBe(own?.completion);
    expect(study.curves).toHaveLength(4 * study.model.layers);
    const rounding = cells.filter((cell) => pcaOf(cell)?.control === 'full-rank');
    for (const { scores } of rounding) expect(Math.abs(scores.kl)).toBeLessThan(1e-9);
    expect(study.angles).toHaveLength(12);
    expect(read('whole', 'chart.svg')).toMatch(/^<svg /);
    expect(JSON.parse(read('whole', 'seconds.json')).total).toBeGreaterThan(0);
  });

  test('a finished one is read, not made again', async () => {
    await uninterrupted();
    const [json, csv] = await Promise.all([
      surgery(['sweep', ...grid, ...scoring, '--output', join(cpTo('whole', 'again')), '--json']),
      surgery(['sweep', ...grid, ...scoring, '--output', join(cpTo('whole', 'again-csv')), '--csv']),
    ]);
    expect(json.stderr).not.toContain('Loading');
    const shown = JSON.parse(json.stdout);
    expect(shown.cells).toEqual(cellsOf('whole'));
    expect(shown.seconds).toBeUndefined();
    const lines = csv.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(25);
    expect(read('again', 'study.json')).toBe(read('whole', 'study.json'));
  });

  test('killed at ten random moments and resumed it is byte for byte the same', async () => {
    await uninterrupted();
    const random = seededRandom(2026);
    const output = join(tmp, 'killed');
    let kills = 0;
    while (kills < 10) {
      const child = start(['sweep', ...grid, ...scoring, '--output', output, '--quiet']);
      // From before the first cell to after some: a start takes about a second.
      await Promise.race([sleep(300 + 1500 * random()), child.ended]);
      if (child.exitCode !== null) break;
      child.kill('SIGKILL');
      await child.ended;
      kills++;
    }
    expect(kills).toBeGreaterThan(4);
    expect((await sweep('killed')).code).toBe(0);
    for (const file of ['cells.jsonl', 'study.json', 'chart.svg', 'report.html'])
      expect(read('killed', file), file).toBe(read('whole', file));
    expect(readdirSync(output).sort()).toEqual(readdirSync(join(tmp, 'whole')).sort());
  });

  test('killed between its last cell and its end, it scores the original to the same digits', async () => {
    const sizes = {
      hidden_size: 448,
      num_attention_heads: 7,
      num_key_value_heads: 1,
      num_hidden_layers: 2,
      head_dim: 64,
    };
    const model = makeModel(join(tmp, 'wide'), sizes);
    const story = join(tmp, 'cat.txt');
    writeFileSync(story, 'The cat was in the box\n<|end|>\nThe box was in the end\n');
    const output = join(tmp, 'last');
    const args = ['sweep', '--model', model, '--text', story, '--variance', '0.5', '--no-samples', '--output', output];
    expect((await surgery(args)).code).toBe(0);
    const before = read('last', 'study.json');
    writeFileSync(join(output, 'study.json'), JSON.stringify({ ...studyOf('last'), complete: false, original: null }));
    expect((await surgery(args)).code).toBe(0);
    expect(read('last', 'study.json')).toBe(before);
  });

  test('parts made apart, by option and by environment, merge in any order to the same bytes', async () => {
    await uninterrupted();
    const parts = await Promise.all([
      sweep('parts', [...grid, '--shard', '1/3']),
      sweep('parts', grid, {
        env: { SLURM_ARRAY_TASK_ID: '11', SLURM_ARRAY_TASK_COUNT: '3', SLURM_ARRAY_TASK_MIN: '10' },
      }),
      sweep('parts', grid, { env: { JOB_COMPLETION_INDEX: '2', JOB_COMPLETIONS: '3' } }),
    ]);
    expect(parts.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual(
      [0, 0, 0].map((code) => [code, '']),
    );
    const folders = [1, 2, 3].map((n) => join(tmp, 'parts', `part-${n}-of-3`));
    expect(folders.map((folder) => JSON.parse(readFileSync(join(folder, 'study.json'), 'utf8')).complete)).toEqual([
      false,
      false,
      false,
    ]);
    for (const order of [folders, folders.toReversed()]) {
      const output = join(tmp, `merged-${order === folders}`);
      const { code } = await surgery(['merge', ...order, '--output', output]);
      expect(code).toBe(0);
      for (const file of ['cells.jsonl', 'study.json', 'chart.svg', 'report.html'])
        expect(readFileSync(join(output, file), 'utf8'), file).toBe(read('whole', file));
    }
  });

  test('a cell does not depend on what else is made, and more cells join those there', async () => {
    await uninterrupted();
    const alone = await sweep('alone', ['--variance', '0.5', '--mode', 'shared-kv']);
    expect(alone.code).toBe(0);
    const [line = ''] = read('alone', 'cells.jsonl').split('\n');
    expect(read('whole', 'cells.jsonl').split('\n')).toContain(line);
    const { code, stderr } = await sweep('alone', ['--variance', '0.9,0.5', '--mode', 'shared-kv']);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('1 of 2 cells are there');
    expect(cellsOf('alone').map((cell) => pcaOf(cell)?.variance)).toEqual([0.9, 0.5]);
    for (const each of read('alone', 'cells.jsonl').trimEnd().split('\n'))
      expect(read('whole', 'cells.jsonl').split('\n')).toContain(each);
  });

  test('two processes do not share a folder', async () => {
    const output = join(tmp, 'both');
    const args = ['sweep', ...grid, ...scoring, '--output', output];
    const first = start(args);
    while (!existsSync(join(output, '.lock'))) await sleep(5);
    const { code, stderr } = await surgery(args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`is in use by process ${first.pid}`)]);
    first.kill('SIGINT');
    expect(await first.ended).toMatchObject({
      code: 130,
      stderr: expect.stringContaining(
        'nothing half-written is left: the same command keeps the cells that are finished',
      ),
    });
    expect(readdirSync(output).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('sensitivity', () => {
  test('one layer at a time, and how the effects add up', async () => {
    const output = join(tmp, 'layers');
    const args = ['sensitivity', '--variance', '0.5', '--layers', '1-3', '--no-samples', ...textAlone];
    const { code, stdout } = await surgery([...args, '--output', output]);
    expect(code).toBe(0);
    expect(stdout).toContain('all at once');
    const cells = new Map(cellsOf('layers').map((cell) => [cell.id, cell]));
    const { sensitivity } = studyOf('layers');
    const effect = (id = '') => cells.get(id)?.scores.deltaNll ?? Number.NaN;
    expect(sensitivity?.rows.map(({ layers }) => layers)).toEqual([[1], [2], [3]]);
    const [sums] = sensitivity?.additivity ?? [];
    expect(sums?.sum).toBeCloseTo(sensitivity?.rows.reduce((sum, row) => sum + effect(row.cells[0]), 0) ?? 0, 12);
    expect(sums?.joint).toBeCloseTo(effect(sensitivity?.joint[0]), 12);
    expect(sums?.difference).toBeCloseTo((sums?.joint ?? 0) - (sums?.sum ?? 0), 12);
  });
});

describe('surgery report', () => {
  test('makes the page again, byte for byte, and one of several studies', async () => {
    await uninterrupted();
    const again = cpTo('whole', 'reported');
    rmSync(join(again, 'report.html'));
    const one = await surgery(['report', again]);
    expect([one.code, one.stdout]).toEqual([0, `Report     ${join(again, 'report.html')}\n`]);
    expect(read('reported', 'report.html')).toBe(read('whole', 'report.html'));
    const output = join(tmp, 'pages', 'both.html');
    const both = await surgery(['report', join(tmp, 'whole'), again, '--output', output, '--json', '--quiet']);
    expect([both.code, both.stderr]).toEqual([0, '']);
    const page = readFileSync(output, 'utf8');
    expect(JSON.parse(both.stdout)).toMatchObject({ report: output, bytes: Buffer.byteLength(page) });
    expect(page).toContain('reported: shared-kv');
  });

  test.each([
    [
      'study.json',
      (text: string) => text.replace('"perplexity"', '"perplexed"'),
      /study\.json is not a study that this version reads, at original\.scores\.perplexity: .*: name another folder, or .*\n$/,
    ],
    [
      'cells.jsonl',
      (text: string) => text.replace(/"byDocument":\{"tokens":\[.*?\],"nll":\[/, '$&"x",'),
      /cells\.jsonl, line 1 is not a cell, at byDocument\.nll\.0: .*: remove the line, and it is made again\n$/,
    ],
  ])(
    'a damaged %s is refused by its place, however it is read, and everything stays',
    async (file, damage, message) => {
      await uninterrupted();
      const name = `damaged-${file}`;
      const folder = cpTo('whole', name);
      writeFileSync(join(folder, file), damage(read(name, file)));
      const before = readdirSync(folder).map((each) => read(name, each));
      const output = join(tmp, `merged-${file}`);
      const all = await Promise.all([
        surgery(['report', folder]),
        surgery(['merge', folder, '--output', output]),
        sweep(name, [...grid, '--quiet']),
      ]);
      for (const { code, stdout, stderr } of all)
        expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(/^surgery: [^\n]*\n$/)]);
      for (const { stderr } of all) expect(stderr).toMatch(message);
      expect(readdirSync(folder).map((each) => read(name, each))).toEqual(before);
      expect(existsSync(output)).toBe(false);
    },
  );

  test.each([
    ['nothing', undefined, 'holds no results (run.json, study.json, lens.json, unlikely.json, probe.json, basis.json'],
    ['old-run', ['run.json', '{"schema":1}'], 'is not a run that this version reads, at kind: '],
    ['old-study', ['study.json', '{"schema":1,"cells":[],"context":{"format":1}}'], 'is not a study that this version'],
  ])('of %s is refused in a line', async (name, file, message) => {
    const folder = join(tmp, name);
    mkdirSync(folder);
    if (file) writeFileSync(join(folder, file[0] ?? ''), file[1] ?? '');
    const { code, stderr } = await surgery(['report', folder]);
    expect([code, stderr.trimEnd().split('\n')]).toEqual([2, [expect.stringContaining(message)]]);
  });
});

describe('mistakes', () => {
  const foreign = join(tmp, 'foreign');
  mkdirSync(foreign);
  writeFileSync(join(foreign, 'notes.txt'), 'mine');
  test.each([
    [['--match', 'width', '--mode', 'separate'], '--match gives a shared mode its separate partner'],
    [['--rank', '4', '--allocate', 'global'], 'allocate global spends what a threshold gives'],
    [['--layers', '0', '--layers', '5-9'], "layer 6 is not there, this model's layers are 0 to 5"],
    [['--variance', '0.5,2'], '--variance is "2"'],
    [['--mode', 'shared'], '--mode is "shared"'],
    [['--shard', '4/3'], '--shard is "4/3"'],
    [['--output', foreign], "holds other files than a study's"],
  ])('%j', async (args, message) => {
    const { code, stderr } = await surgery(['sweep', ...scoring, ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(
      stderr
        .trim()
        .split('\n')
        .filter((line) => line.startsWith('surgery:')),
    ).toHaveLength(1);
    expect(readdirSync(foreign)).toEqual(['notes.txt']);
  });

  test('a folder with a study of another text, parts of different studies, no study', async () => {
    await uninterrupted();
    const other = await surgery([
      'sweep',
      ...grid,
      '--model',
      'pocket',
      '--max-tokens',
      '8',
      '--output',
      cpTo('whole', 'taken'),
    ]);
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringContaining('holds a study with another sampling.maxNewTokens (6, here 100), text ('),
    ]);
    expect(read('taken', 'study.json')).toBe(read('whole', 'study.json'));
    await sweep('small', ['--variance', '0.3', '--mode', 'separate']);
    const folders = [join(tmp, 'whole'), join(tmp, 'small')];
    const mixed = await surgery(['merge', ...folders, '--output', join(tmp, 'mixed')]);
    expect([mixed.code, mixed.stderr]).toEqual([2, expect.stringContaining('is part of another study')]);
    const none = await surgery(['merge', foreign, '--output', join(tmp, 'mixed')]);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('holds no study')]);
    const environment = { env: { JOB_COMPLETION_INDEX: '1' } };
    const unclear = await sweep('unclear', grid, environment);
    expect([unclear.code, unclear.stderr]).toEqual([2, expect.stringContaining('JOB_COMPLETIONS')]);
  });
});

describe('stories260k', needs(hasShared, noShared), () => {
  // All twelve thresholds take a minute and more: the suite has every sixth, SURGERY_ALL_CELLS=1 has them all.
  const every = process.env.SURGERY_ALL_CELLS ? 1 : 6;
  test(`the cells of the golden scores come out of one sweep, every ${every}. threshold`, {
    timeout: 600_000,
  }, async () => {
    const goldens = golden<Scores>(join(shared, 'goldens/stories260k'), 'scores.json');
    const variances = [...new Set(goldens.operated.map(({ variance }) => variance))].filter((_, i) => i % every === 0);
    const operated = goldens.operated.filter(({ variance }) => variances.includes(variance));
    const { code, stderr } = await surgery([
      'sweep',
      '--model',
      join(shared, 'models/stories260k'),
      '--text',
      join(shared, 'text/tinystories-60.json'),
      '--max-tokens',
      String(goldens.max_tokens),
      '--variance',
      variances.join(),
      '--mean',
      'keep,drop',
      '--raw',
      '--prompt',
      'Once upon a time',
      '--temperature',
      '0',
      '--max-new-tokens',
      '60',
      '--output',
      join(tmp, 'stories'),
      '--quiet',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    const cells = cellsOf('stories');
    const { original } = studyOf('stories');
    expect(cells).toHaveLength(operated.length);
    expect(operated).toHaveLength(48 / every);
    expect((original?.scores.perplexity ?? 0) / goldens.baseline.perplexity).toBeCloseTo(1, 5);
    for (const { mode, variance, mean, perplexity, kl, same_top, sample } of operated) {
      const cell = cells.find((one) => {
        const operation = pcaOf(one);
        return operation?.mode === mode && operation.variance === variance && operation.mean === mean;
      });
      const label = `${mode} ${variance} ${mean}`;
      expect((cell?.scores.perplexity ?? 0) / perplexity, label).toBeCloseTo(1, 4);
      expect(Math.abs((cell?.scores.kl ?? 0) - kl), label).toBeLessThan(1e-4 * Math.max(1, kl));
      expect(Math.abs((cell?.scores.sameTop ?? 0) - same_top), label).toBeLessThan(5e-4);
      expect(cell?.samples[0]?.text.trim(), label).toBe(sample.trim());
    }
  });
});

/** A copy of a study's folder, for a command that must not touch the other. */
function cpTo(from: string, to: string): string {
  cpSync(join(tmp, from), join(tmp, to), { recursive: true });
  return join(tmp, to);
}
