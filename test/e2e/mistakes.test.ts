// What users and files get wrong: one line, exit 2, and nothing left behind.
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { surgery } from '../support/cli.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, fileBytes, merge, split } from '../support/safetensors.ts';

const tmp = temporaryFolder();
const work = join(tmp, 'work');
mkdirSync(work);
let made = 0;
const broken = (change: Parameters<typeof copyModel>[2]) => copyModel(pocket, join(tmp, `model-${made++}`), change);

/** The second of two tensors of the same size is said to lie where the first does. */
function overlapping(): string {
  return broken({
    'model.safetensors': (old) => {
      const { header, data } = split(old);
      const [k, v] = ['k', 'v'].map((p) => header[`model.layers.0.self_attn.${p}_proj.weight`]);
      if (k && v) v.data_offsets = k.data_offsets;
      return fileBytes(JSON.stringify(header), data);
    },
  });
}

function truncated(): string {
  const folder = broken({});
  truncateSync(join(folder, 'model.safetensors'), 100_000);
  return folder;
}

const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(tmp, name), content);
  return join(tmp, name);
};

const loops = (n: number): string => (n === 0 ? '.' : `{% for i in range(1000) %}${loops(n - 1)}{% endfor %}`);
const endless = loops(9);

const mistakes: [string, () => string[], RegExp][] = [
  ['an unknown command', () => ['runn'], /unknown command 'runn'.*Did you mean run/],
  [
    'an unknown command with --help',
    () => ['nonsense', '--help'],
    /unknown command 'nonsense': see node \S+cli\.js --help/,
  ],
  ['help on an unknown command', () => ['help', 'nonsense'], /unknown command 'nonsense'/],
  ["another program's command", () => ['ablate', '--help'], /unknown command 'ablate': try node \S+cli\.js run zero/],
  [
    'an option before the command',
    () => ['--offline', 'run'],
    /options come after it, as in node \S+cli\.js run --offline/,
  ],
  ['an unknown option', () => ['run', '--varience', '0.3'], /unknown option '--varience'.*Did you mean --variance/],
  ["another program's option", () => ['run', '--threshold', '0.3'], /'--threshold': run has --variance$/],
  ['an option of another name here', () => ['generate', '--max-tokens', '3'], /generate has --max-new-tokens$/],
  ['the beginning of an option', () => ['generate', '--temp', '0'], /'--temp': generate has --temperature$/],
  ["another command's option", () => ['run', '--shard', '1/2'], /run has none, it belongs to sweep, sensitivity$/],
  ['a GPU', () => ['run', '--device', 'cuda'], /'--device': surgery runs on the CPU, leave it out/],
  ['a value for a flag', () => ['run', '--no-save=1'], /--no-save takes no value: write it alone/],
  ['an option without its value', () => ['run', '--variance'], /--variance <t> lacks its value: share of the variance/],
  ['a model that stands alone', () => ['run', 'pca', 'pocket'], /run takes no "pocket" by itself: .* --model pocket$/],
  ['a folder that stands alone', () => ['inspect', tmp], /inspect takes no ".*" by itself: .* --model /],
  ['a text that stands alone', () => ['eval', 'a.txt'], /eval takes no "a\.txt" by itself: .* --text a\.txt$/],
  ['a prompt that stands alone', () => ['lens', 'The sea'], /by itself: give a prompt as --prompt 'The sea'$/],
  ['values that stand apart', () => ['sweep', '--variance', '0.9', '0.5', '0.3'], /as in --variance 0\.9,0\.5,0\.3$/],
  ['values with blanks', () => ['sweep', '--mode', 'separate,', 'shared-kv'], /as in --mode separate,shared-kv$/],
  [
    'a kind that there is not',
    () => ['run', 'zeros'],
    /run takes no "zeros" here, allowed: pca, fit, zero, mean, quantise$/,
  ],
  ['a shell that there is not', () => ['completion', 'tcsh'], /takes no "tcsh" here, allowed: bash, zsh, fish$/],
  ['no folder to report', () => ['report'], /report lacks <dir>: results of run, sweep/],
  [
    'an empty text option',
    () => ['eval', '--text', ''],
    /--text is "": name a file, - or hub:org\/dataset, or leave it/,
  ],
  ['an empty model option', () => ['eval', '--model', ' '], /--model is " ": name a checkpoint folder, pocket/],
  ['an empty output option', () => ['sweep', '--output', ''], /--output is "": name a folder, or leave it out/],
  ['two kinds', () => ['run', 'zero', '--kind', 'pca'], /--kind pca and zero: name one kind of operation/],
  [
    "another kind's option",
    () => ['run', '--model', 'pocket', '--heads', '0.0'],
    /--heads is an option of the kind zero, and the kind here is pca/,
  ],
  [
    'a recipe for a sensitivity study',
    () => ['sensitivity', '--model', 'pocket', '--recipe', 'recipe.json'],
    /'--recipe': sensitivity has none, it belongs to run/,
  ],
  ['nothing to cut', () => ['run', 'zero', '--model', 'pocket'], /zero names nothing to cut: give --heads/],
  [
    'a head that is not there',
    () => ['run', 'zero', '--model', 'pocket', '--heads', '0.0,5.8'],
    /5\.8 is not there, this model's heads are 0 to 7 in each layer/,
  ],
  [
    'a recipe with a mistake',
    () => ['run', '--model', 'pocket', '--recipe', file('recipe.json', '[{"kind": "pca", "varience": 0.3}]')],
    /recipe\.json: operations\.0\.varience: pca has no field "varience", allowed: mode, variance/,
  ],
  [
    'a recipe and a threshold',
    () => ['run', '--model', 'pocket', '--variance', '0.3', '--recipe', file('recipe.json', '[{"kind": "none"}]')],
    /--recipe .*recipe\.json already describes the operation: leave out --variance/,
  ],
  ['a merge without a folder', () => ['merge', tmp], /merge needs --output/],
  ['variance 0', () => ['run', '--variance', '0'], /--variance is "0", allowed: a number above 0 up to 1/],
  ['variance 1.5', () => ['run', '--variance', '1.5'], /--variance is "1\.5"/],
  ['variance abc', () => ['run', '--variance', 'abc'], /--variance is "abc"/],
  ['no variance', () => ['run', '--variance', ''], /--variance is ""/],
  [
    'several thresholds',
    () => ['run', '--variance', '0.3,0.5'],
    /--variance is "0\.3,0\.5", allowed: one value \(sweep takes several\)/,
  ],
  [
    'an unknown mode',
    () => ['run', '--mode', 'shared-vk'],
    /--mode is "shared-vk", allowed: shared-kv, separate, shared-qkv/,
  ],
  ['an unknown mean rule', () => ['run', '--mean', 'no'], /--mean is "no", allowed: keep, drop/],
  ['an unknown dtype', () => ['run', '--dtype', 'F8'], /--dtype is "F8", allowed: F32, F16, BF16/],
  ['an unknown precision', () => ['generate', '--precision', 'int4'], /--precision is "int4"/],
  [
    'a file of conversations and prompts',
    () => ['generate', '--chat', 'a.json', '--prompt', 'Hi'],
    /surgery: --chat and --prompt cannot be used together: leave one out/,
  ],
  [
    'a system message and raw prompts',
    () => ['lens', '--system', 'S', '--raw'],
    /--system and --raw cannot be used together/,
  ],
  [
    'a system message and no prompt',
    () => ['lens', '--model', 'pocket', '--system', 'S', '--text', file('only.txt', 'A cat.')],
    /--system has no effect on a text: give --prompt or --chat/,
  ],
  [
    'a system message without a template',
    () => ['generate', '--model', 'pocket', '--system', 'S'],
    /this model has no chat template, which --system needs/,
  ],
  [
    'a conversation with an unknown role',
    () => [
      'generate',
      '--model',
      fixture('smollm2-tied-bf16'),
      '--chat',
      file('chat.json', '[{"role": "usr", "content": ""}]'),
    ],
    /chat\.json, message 1, role: Invalid option/,
  ],
  ['a negative temperature', () => ['generate', '--temperature=-1'], /--temperature is "-1"/],
  [
    'prompts and how a text is cut',
    () => ['lens', '--documents', '5'],
    /--documents has no effect without --text: give one/,
  ],
  ['two formats', () => ['sweep', '--csv', '--json'], /--csv and --json cannot be used together/],
  ['a seed that is no number', () => ['generate', '--seed', '1e3'], /--seed is "1e3", allowed: a whole number/],
  [
    'a size without a meaning',
    () => ['run', '--max-shard-size', '1 banana'],
    /--max-shard-size is "1 banana", allowed: a size such as 1GB/,
  ],
  ['a size of nothing', () => ['run', '--max-shard-size', '0GB'], /--max-shard-size is "0GB"/],
  ['no threads', () => ['generate', '--threads', '0'], /--threads is "0"/],
  ['a missing folder', () => ['run', '--model', './missing'], /no folder \.\/missing/],
  [
    'a model that is not cached',
    () => ['run', '--model', 'org/name'],
    /org\/name is neither a folder nor whole in the Hugging Face cache .*HF_HUB_OFFLINE keeps the network off/,
  ],
  ['a file as model', () => ['run', '--model', join(pocket, 'config.json')], /is a file/],
  ['a folder without a config', () => ['run', '--model', broken({ 'config.json': null })], /holds no config\.json/],
  [
    'a config that is not JSON',
    () => ['run', '--model', broken({ 'config.json': () => '{' })],
    /config\.json is not valid JSON/,
  ],
  [
    'an unknown architecture',
    () => ['run', '--model', broken({ 'config.json': merge({ architectures: ['FalconForCausalLM'] }) })],
    /"FalconForCausalLM" is not supported/,
  ],
  ['a truncated checkpoint', () => ['run', '--model', truncated()], /is truncated/],
  ['overlapping offsets', () => ['run', '--model', overlapping()], /tensor .* overlaps the tensor before it/],
  [
    'wrong shapes',
    () => ['run', '--model', broken({ 'config.json': merge({ intermediate_size: 353 }) })],
    /has shape .* config\.json calls for/,
  ],
  [
    'a chat template without an end',
    () => ['generate', '--model', broken({ 'tokenizer_config.json': merge({ chat_template: endless }) })],
    /the model's chat template fails: it takes too many steps/,
  ],
  [
    'weights that are a link to another file',
    () => {
      const folder = broken({ 'model.safetensors': null });
      symlinkSync(join(pocket, 'model.safetensors'), join(folder, 'model.safetensors'));
      return ['run', '--model', folder];
    },
    /model\.safetensors leads to .*, outside the model's folder: put the file itself there/,
  ],
  [
    'a prompt longer than the context',
    () => ['run', '--model', 'pocket', '--prompt', 'a b c '.repeat(400)],
    /the prompt takes \d+ tokens, the model's context is 512/,
  ],
  [
    'a text that is not there',
    () => ['eval', '--model', 'pocket', '--text', 'missing.txt'],
    /missing\.txt cannot be read: no such file/,
  ],
  [
    'a text that is not UTF-8',
    () => ['eval', '--model', 'pocket', '--text', file('latin.txt', Uint8Array.of(0xe9, 0x20))],
    /is not UTF-8 text/,
  ],
  ['an empty text', () => ['eval', '--model', 'pocket', '--text', file('empty.txt', '\n')], /holds no text/],
  [
    'tasks with a wrong line',
    () => ['eval', '--model', 'pocket', '--tasks', file('tasks.jsonl', '{}\n')],
    /tasks\.jsonl, line 1/,
  ],
  [
    'a base with another vocabulary',
    () => ['eval', '--model', 'pocket', '--base', fixture('mha-tied-f16')],
    /has another tokenizer than pocket/,
  ],
  [
    'an output that is a file',
    () => ['run', '--model', 'pocket', '--output', file('taken', '')],
    /--output .*taken" is a file/,
  ],
  [
    'an output below a file',
    () => ['run', '--model', 'pocket', '--output', join(file('taken', ''), 'x')],
    /--output .* cannot be written: .*taken is a file/,
  ],
  [
    'an output that holds other files',
    () => ['run', '--model', 'pocket', '--force', '--output', tmp],
    /holds other files than a run's results/,
  ],
];

describe('one line and exit 2', () => {
  test.each(mistakes)('%s', async (_name, args, message) => {
    const list = args();
    const before = readdirSync(tmp).sort();
    const { code, stdout, stderr } = await surgery(list, { cwd: work });
    const lines = stderr
      .trimEnd()
      .split('\n')
      .filter((line) => !line.includes('running the embedded pocket model instead'));
    expect(lines).toEqual([expect.stringMatching(message)]);
    expect(lines[0]).toMatch(/^surgery: /);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(readdirSync(work)).toEqual([]);
    expect(readdirSync(tmp).sort()).toEqual(before);
  });
});

const story = file('story.txt', 'Lily was a clever girl.');
const tiny = ['run', '--model', 'pocket', '--max-new-tokens', '2', '--text', story, '--quiet'];

describe('results that exist', () => {
  test('are kept, and replaced as a whole with --force', async () => {
    const output = join(tmp, 'results');
    expect((await surgery([...tiny, '--output', output])).code).toBe(0);
    writeFileSync(join(output, 'note.txt'), 'mine');
    const kept = await surgery([...tiny, '--variance', '0.5', '--output', output]);
    expect(kept).toMatchObject({ code: 2, stderr: expect.stringMatching(/holds results already: .* --force/) });
    expect(JSON.parse(readFileSync(join(output, 'run.json'), 'utf8')).cell.recipe[0].variance).toBe(0.9);
    expect((await surgery([...tiny, '--variance', '0.5', '--output', output, '--force'])).code).toBe(0);
    expect(JSON.parse(readFileSync(join(output, 'run.json'), 'utf8')).cell.recipe[0].variance).toBe(0.5);
    expect(readdirSync(output).sort()).toEqual(['model', 'recipe.json', 'report.html', 'run.json', 'samples.txt']);
  });
});

describe('a system that refuses', () => {
  test('a file size limit while writing: one line, nothing left', async () => {
    // 512-byte blocks: the checkpoint is 2.7 MB. The signal would end the program before the write could fail.
    const { code, stderr } = await surgery([...tiny, '--output', join(work, 'limited')], {
      cwd: work,
      through: 'trap \'\' XFSZ; ulimit -f 1000; "$@"',
    });
    expect(stderr).toMatch(/^surgery: .*model\.safetensors cannot be written: the file would exceed the size limit\n$/);
    expect(code).toBe(2);
    expect(readdirSync(work)).toEqual([]);
  });

  /** Runs a script with a small disk mounted at `disk`; undefined where that takes more rights than we have. */
  async function onSmallDisk(options: string, script: string, args: readonly string[]) {
    const through = `mkdir -p disk && mount -t tmpfs -o ${options} tmpfs disk || exit 99; ${script}; code=$?; ls -A disk >&2; umount disk; rmdir disk; exit $code`;
    const ended = await surgery(args, { cwd: work, through });
    return ended.code === 99 ? undefined : ended;
  }
  const noDisk = 'no small disk can be mounted here (it takes root): it was not tried';

  test('a disk that is too small: refused before anything is computed, nothing left', async ({ skip }) => {
    const ended = await onSmallDisk('size=1m', '"$@"', [...tiny, '--output', 'disk/full']);
    if (!ended) return skip(noDisk);
    expect(ended.stderr).toMatch(
      /^surgery: the checkpoint takes 2\.74 MB, disk\/full has 1\.05 MB free: name another place .* --no-save\n$/,
    );
    expect(ended.code).toBe(2);
  });

  test('a disk that is full in the middle: one line, old results as they were', async ({ skip }) => {
    // Room for so many files that the first run fits, and the second next to it does not.
    const twice = '"$@" || exit 98; md5sum disk/out/*.* disk/out/model/* > before; "$@" --force --seed 1; code=$?';
    const ended = await onSmallDisk(
      'size=16m,nr_inodes=20',
      `${twice}; md5sum --quiet -c before || code=97; rm before; ls disk/out >&2; (exit $code)`,
      [...tiny, '--output', 'disk/out'],
    );
    if (!ended) return skip(noDisk);
    expect(ended.stderr).toMatch(
      /^surgery: .*disk\/out\/.* cannot be written: no space left on the device\nmodel\nrecipe\.json\nreport\.html\nrun\.json\nsamples\.txt\nout\n$/,
    );
    expect(ended.code).toBe(2);
  });

  test('a cache that cannot be written is reported once, and not with --quiet', async () => {
    const env = { SURGERY_CACHE: join(file('no-folder', ''), 'cache') };
    const args = [...tiny.filter((word) => word !== '--quiet'), '--precision', 'int8', '--no-save'];
    const { code, stderr } = await surgery([...args, '--output', join(tmp, 'uncached')], { cwd: work, env });
    expect(code).toBe(0);
    expect(
      stderr.match(/^int8 is not exact: \S+ has KL [\d.]+ nats\/token from fp32 on the built-in passages/gm),
    ).toHaveLength(1);
    expect(stderr.match(/^\(not kept in the cache: .*\)$/gm)).toEqual([
      expect.stringMatching(/sha256\/[0-9a-f]{32} cannot be written: .*not a folder/),
    ]);
    const quiet = await surgery([...tiny, '--no-save', '--output', join(tmp, 'silent')], { cwd: work, env });
    expect([quiet.code, quiet.stderr]).toEqual([0, '']);
  });

  test('a folder that may not be written to', async ({ skip }) => {
    const locked = join(tmp, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    // Permissions do not bind root: there the folder is on a file system that is mounted read-only instead.
    const script =
      '[ "$(id -u)" = 0 ] || exec "$@"; mkdir -p ro && mount -t tmpfs -o ro tmpfs ro || exit 99; "$@"; code=$?; umount ro; rmdir ro; exit $code';
    const target = process.getuid?.() === 0 ? 'ro/x' : join(locked, 'x');
    const { code, stderr } = await surgery([...tiny, '--output', target], { cwd: work, through: script });
    if (code === 99) return skip('no read-only disk can be mounted here: it was not tried');
    expect(stderr).toMatch(/^surgery: .*x cannot be written: (permission denied|the file system is read-only)\n$/);
    expect(code).toBe(2);
    expect(readdirSync(work)).toEqual([]);
  });
});
