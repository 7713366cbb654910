// Models and datasets of the Hub, as a user has them: pulled, killed halfway and continued, by two at once, or offline.
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { defaultReference } from '../../src/hub/model-reference.ts';
import { Runtime } from '../../src/runtime/session.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { start, surgery } from '../support/cli.ts';
import { cut, etagOf, FakeHub } from '../support/hub.ts';
import { makeModel } from '../support/models.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';

const hub = await FakeHub.start();
const tmp = temporaryFolder();
let home: string;
let env: Record<string, string>;
let made = 0;

beforeEach(() => {
  hub.reset();
  home = join(tmp, `home-${made++}`);
  const direct = Object.fromEntries(['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'].map((name) => [name, '']));
  env = { ...direct, HF_HOME: home, HF_HUB_CACHE: '', HF_HUB_OFFLINE: '', HF_ENDPOINT: hub.endpoint, HF_TOKEN: '' };
});

const filesOf = (folder: string): Record<string, Uint8Array> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((file) => !file.startsWith('golden') && statSync(join(folder, file)).isFile())
      .map((file) => [file, readFileSync(join(folder, file))]),
  );
const fewTokens = ['--max-tokens', '8', '--documents', '2', '--json', '--quiet'];

const large = makeModel(join(tmp, 'large'), { vocab_size: 20_000 }, () => false);
const largeRepo = hub.add('some/large', filesOf(large));
const weights = largeRepo.files.get('model.safetensors') ?? { bytes: new Uint8Array(0), lfs: true };
const all = [...largeRepo.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
const largeFolder = () => join(home, 'hub/models--some--large');

describe('surgery pull', () => {
  test('says what it loaded, as text and as JSON', async () => {
    const first = await surgery(['pull', 'some/large'], { env });
    expect(first).toMatchObject({ code: 0 });
    expect(first.stderr).toMatch(
      /Pulling config …\nPulling config: .*\nPulling tokenizer and licence …\nPulling .*: .*\nPulling weights …\nPulling weights: /,
    );
    expect(first.stdout).toMatch(
      /^Model {6}some\/large\nFolder {5}.*\nCommit {5}[0-9a-f]{40}\nLoaded {5}.*all checked\n/,
    );
    expect(first.stdout).toContain('model.safetensors');
    const again = await surgery(['pull', 'some/large', '--json', '--quiet'], { env });
    expect(again.stderr).toBe('');
    expect(JSON.parse(again.stdout)).toMatchObject({
      ref: 'some/large',
      commit: largeRepo.commit,
      bytes: all,
      received: 0,
    });
  });

  test.each(['SIGKILL', 'SIGINT'] as const)('ended halfway by %s, it goes on where it stopped', async (signal) => {
    const half = Math.floor(weights.bytes.length / 2);
    hub.hook = ({ host }, response) => {
      if (host === 'storage') cut(response, weights.bytes, [0, half], () => false);
      return host === 'storage';
    };
    const child = start(['pull', 'some/large'], { env });
    const partial = join(largeFolder(), 'blobs', `${etagOf(weights)}.surgery.incomplete`);
    const size = () => statSync(partial, { throwIfNoEntry: false })?.size;
    while (size() !== half) await turn();
    child.kill(signal);
    const ended = await child.ended;
    if (signal === 'SIGINT') {
      const said = 'stopped, what has arrived is kept: the same command continues it\n';
      expect(ended).toMatchObject({ code: 130, stderr: expect.stringContaining(said) });
    }
    expect(readdirSync(largeFolder())).not.toContain('refs');
    hub.reset();
    const { code, stderr } = await surgery(['pull', 'some/large'], { env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(hub.seen.filter(({ host }) => host === 'storage').map(({ headers }) => headers.range)).toEqual([
      `bytes=${half}-`,
    ]);
    expect(hub.sent).toBe(weights.bytes.length - half); // the small files were there
    expect(
      readFileSync(join(largeFolder(), 'snapshots', largeRepo.commit, 'model.safetensors')).equals(weights.bytes),
    ).toBe(true);
    expect(readdirSync(join(largeFolder(), 'blobs')).filter((name) => name.includes('incomplete'))).toEqual([]);
  });

  test('by two processes at once: both have it, it is loaded once', async () => {
    const both = await Promise.all([1, 2].map(() => surgery(['pull', 'some/large', '--json'], { env })));
    expect(both.map(({ code, stderr }) => [code, stderr.includes('surgery:')])).toEqual([
      [0, false],
      [0, false],
    ]);
    expect(hub.sent).toBe(all);
    const link = join(largeFolder(), 'snapshots', largeRepo.commit, 'model.safetensors');
    expect(readFileSync(link).equals(weights.bytes)).toBe(true);
  });

  test('a disk that is full, and mistakes: one line', async () => {
    const one = async (args: string[], more = {}, through?: string) => {
      const { code, stdout, stderr } = await surgery([...args, '--quiet'], {
        env: { ...env, ...more },
        ...(through ? { through } : {}),
      });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^surgery: [^\n]*\n$/);
      return stderr;
    };
    const limited = 'trap \'\' XFSZ; ulimit -f 100; "$@"'; // 100 kB
    expect(await one(['pull', 'some/large'], {}, limited)).toMatch(
      /cannot be written: the file would exceed the size limit; what was loaded is kept, and the same command continues/,
    );
    expect(await one(['pull', 'some/large', '--offline'])).toMatch(
      /--offline keeps the network off, and node \S+cli\.js pull/,
    );
    expect(await one(['pull', 'some/large'], { HF_HOME: join(pocket, 'config.json') })).toMatch(
      /cannot be made: .*set HF_HOME/,
    );
  });
});

describe('--model', () => {
  test('pulls what is not cached, and asks no more once it is', async () => {
    hub.add('some/model', filesOf(fixture('mqa-bias-f32')), { revisions: ['v1'] });
    const args = ['eval', '--model', 'some/model@v1', ...fewTokens];
    const { stdout, stderr } = await surgery(args, { env });
    expect(stderr).toBe('');
    const { model, scores } = JSON.parse(stdout);
    expect(model).toMatchObject({ ref: 'some/model@v1', path: expect.stringContaining(home) });
    hub.reset();
    expect(JSON.parse((await surgery(args, { env })).stdout).scores).toEqual(scores);
    expect(hub.seen).toEqual([]);
  });

  test('never falls back', async () => {
    const { code, stderr } = await surgery(['eval', '--model', 'some/none', ...fewTokens], { env });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^surgery: .* has no model some\/none/),
    });
  });
});

describe('without --model', () => {
  const args = ['eval', ...fewTokens];

  test('pocket, saying why, where there is no network', async () => {
    const unreachable = await surgery(args, { env: { ...env, HF_ENDPOINT: 'http://127.0.0.1:9' } });
    expect(unreachable.stderr).toMatch(
      /^TinyLlama\/.* is not in the Hugging Face cache, and .* cannot be reached: .*: running the embedded pocket model instead/,
    );
    const { model } = JSON.parse(unreachable.stdout);
    expect(model).toMatchObject({ ref: 'pocket', notice: expect.stringContaining('cannot be reached') });
  });

  test('TinyLlama, pulled, where the Hub has it', async () => {
    hub.add(defaultReference, filesOf(fixture('mqa-bias-f32')));
    const { stdout, stderr } = await surgery(args, { env });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout).model).toMatchObject({ ref: defaultReference });
  });
});

describe('--text hub:… and --chunk', () => {
  const parquet = readFileSync(join(fixture('parquet'), 'snappy.parquet'));
  hub.add('some/lines', { 'lines-v1/test-00000-of-00001.parquet': parquet }, { kind: 'dataset' });
  const texts = ['', ' = A title = \n', '', ' Naïve text, \u{1f40c} and all . \n', ''].concat(
    Array.from({ length: 200 }, (_, i) => ` Line ${i} . \n`),
  );

  /** Mean negative log-likelihood, nats, of tokens in windows that are cut by hand and read one at a time. */
  async function windowedNll(text: string, length: number): Promise<{ nll: number; windows: number; tokens: number }> {
    const checkpoint = await Checkpoint.open(pocket);
    const runtime = await Runtime.open(checkpoint, { precision: 'fp32', replaceable: [] });
    const ids = (await Tokenizer.open(checkpoint)).encode(text);
    const { vocabSize, bosId = 0 } = checkpoint.config;
    let [sum, tokens, windows] = [0, 0, 0];
    for (let at = 0; at + length <= ids.length; at += length) {
      windows++;
      const window = ids.slice(at, at + length);
      window[0] = bosId;
      const rows: number[][] = [];
      for await (const logits of runtime.sequence(length).readAll(window))
        for (let i = 0; i < logits.length; i += vocabSize) rows.push([...logits.subarray(i, i + vocabSize)]);
      for (let i = 1; i < length; i++) {
        const row = rows[i - 1] ?? [];
        const most = Math.max(...row);
        const logSum = most + Math.log(row.reduce((total, logit) => total + Math.exp(logit - most), 0));
        sum += logSum - (row[window[i] ?? 0] ?? 0);
        tokens++;
      }
    }
    await runtime.close();
    return { nll: sum / tokens, windows, tokens };
  }

  test('a stream of a dataset is scored as cut by hand, and the rule says how', async () => {
    const args = ['eval', '--model', 'pocket', '--text', 'hub:some/lines', '--chunk', 'stream', '--max-tokens', '64'];
    const { stdout } = await surgery([...args, '--json', '--quiet'], { env });
    const { scores } = JSON.parse(stdout);
    const joined = texts.map((text) => (text.endsWith('\n') ? text : `${text}\n`)).join('');
    const expected = await windowedNll(joined, 64);
    expect(scores).toMatchObject({
      text: 'hub:some/lines/lines-v1/test',
      chunk: 'stream',
      documents: expected.windows,
      tokens: expected.tokens,
      maxTokens: 64,
      rule: expect.stringMatching(
        /^205 texts joined, .* consecutive windows of 64 tokens, the last \d+ tokens left out, BOS/,
      ),
      intervalRule: expect.stringContaining('over windows'),
    });
    expect(scores.nll).toBeCloseTo(expected.nll, 6);
    const { stdout: text } = await surgery([...args, '--documents', '3'], { env: { ...env, HF_HUB_OFFLINE: '1' } });
    expect(text).toMatch(/\n3 windows, 189 tokens of hub:some\/lines\/lines-v1\/test: 205 texts/);
    expect(text).toMatch(/only\s+the\s+first\s+ones/);
  });

  test('documents of a dataset are its rows that are more than blank', async () => {
    const args = ['eval', '--model', 'pocket', '--text', 'hub:some/lines/lines-v1/test', '--documents', '4'];
    const { stdout } = await surgery([...args, '--json', '--quiet'], { env });
    const { scores, command } = JSON.parse(stdout);
    expect(scores).toMatchObject({ documents: 4, rule: expect.stringMatching(/^each document alone/) });
    expect(command).toMatch(/--text hub:some\/lines@[0-9a-f]{40}\/lines-v1\/test --documents 4$/);
  });

  test('a study of a stream holds its rule', async () => {
    const output = join(tmp, 'study');
    mkdirSync(output);
    const args = ['sweep', '--model', 'pocket', '--text', 'hub:some/lines', '--chunk', 'stream', '--no-samples'];
    const few = ['--max-tokens', '32', '--documents', '4', '--variance', '0.9', '--mode', 'separate'];
    const { stdout } = await surgery([...args, ...few, '--output', output, '--quiet'], { env });
    expect(stdout).toMatch(/Text {7}4 windows, 124 tokens of hub:some\/lines\/lines-v1\/test/);
    expect(JSON.parse(readFileSync(join(output, 'study.json'), 'utf8')).text).toMatchObject({
      chunk: 'stream',
      documents: 4,
    });
  });
});
