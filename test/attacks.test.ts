// Checkpoints made to harm: each ends in one line that names the file, tensor or key, reads nothing of other folders, and
// takes no more memory or steps than the bounds that src/checkpoint/{header,inside}.ts and src/runtime/template.ts state.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectionName } from '../src/checkpoint/names.ts';
import { Checkpoint } from '../src/checkpoint/reader.ts';
import { writeCheckpoint } from '../src/checkpoint/writer.ts';
import { operate } from '../src/operations/operator.ts';
import type { Recipe } from '../src/operations/recipe.ts';
import { messageOf, SurgeryError } from '../src/platform/errors.ts';
import { Tokenizer } from '../src/text/tokenizer.ts';
import { fixture, temporaryFolder } from './support/paths.ts';
import { copyModel, fileBytes, merge, split } from './support/safetensors.ts';

const mqa = fixture('mqa-bias-f32');
const sharded = fixture('gqa-headdim-llama3-bf16-sharded');
const tmp = temporaryFolder();
const secret = join(tmp, 'secret.safetensors');
const before = process.resourceUsage().maxRSS; // the highest so far, in kB
let made = 0;
type Change = Parameters<typeof copyModel>[2];
const changed = (change: Change, from = mqa) => copyModel(from, join(tmp, `model-${made++}`), change);

/** Everything a command does with a folder before native code has it: opened, text encoded, a prompt wrapped, operated on, written. */
async function use(folder: string): Promise<void> {
  const checkpoint = await Checkpoint.open(folder);
  const tokenizer = await Tokenizer.open(checkpoint);
  tokenizer.decode(tokenizer.encode('A cat'));
  if (tokenizer.hasChatTemplate) tokenizer.chat([{ role: 'user', content: 'Hi' }]);
  const { tensors } = await operate(checkpoint, recipe);
  await writeCheckpoint(checkpoint, tensors, join(tmp, `written-${made++}`));
}

const recipe: Recipe = [{ kind: 'pca', mode: 'shared-kv', variance: 0.5, mean: 'keep', layers: [0] }];

// --- what is done to a folder -------------------------------------------------------------------------------------------

type Table = Record<string, Record<string, unknown>>;

/** The header changed, the data kept. */
const header = (edit: (table: Table) => void) =>
  changed({
    'model.safetensors': (old) => {
      const { header: table, data } = split(old);
      edit(table);
      return fileBytes(JSON.stringify(table), data);
    },
  });
const entry = (table: Table, name = 'model.norm.weight') => table[name] ?? {};

/** The header as text, whatever it is. */
const headerText = (edit: (text: string) => string) =>
  changed({ 'model.safetensors': (old) => fileBytes(edit(JSON.stringify(split(old).header)), split(old).data) });

/** A file of this size that says its header has this length, without taking the room on the disk. */
function sparse(length: bigint, bytes: number): string {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length);
  const folder = changed({ 'model.safetensors': () => prefix });
  truncateSync(join(folder, 'model.safetensors'), bytes);
  return folder;
}

/** One of the folder's files made as long as this, without taking the room. */
function sized(name: string, bytes: number, from = mqa): string {
  const folder = changed({}, from);
  truncateSync(join(folder, name), bytes);
  return folder;
}

const config = (keys: Record<string, unknown>) => changed({ 'config.json': merge(keys) });
const configText = (text: string) => changed({ 'config.json': (old) => old.toString().replace('{', `{${text},`) });
const index = (edit: (map: Record<string, string>) => void) =>
  changed(
    {
      'model.safetensors.index.json': (old) => {
        const parsed = JSON.parse(old.toString());
        edit(parsed.weight_map);
        return JSON.stringify(parsed);
      },
    },
    sharded,
  );
const shardOfNorm = (shard: string) => index((map) => Object.assign(map, { 'model.norm.weight': shard }));

/** One of the folder's files replaced by a symbolic link. */
function linked(name: string, to: string, from = mqa): string {
  const folder = changed({}, from);
  rmSync(join(folder, name), { force: true });
  symlinkSync(to, join(folder, name));
  return folder;
}

/** One number of a tensor replaced. */
const weight = (name: string, at: number, value: number) =>
  changed({
    'model.safetensors': (old) => {
      const { header: table, data } = split(old);
      const [begin] = entry(table, name).data_offsets as [number, number];
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).writeFloatLE(value, begin + 4 * at);
      return fileBytes(JSON.stringify(table), data);
    },
  });

const tokenizer = (edit: (parsed: Parsed) => void) =>
  changed({
    'tokenizer.json': (old) => {
      const parsed = JSON.parse(old.toString());
      edit(parsed);
      return JSON.stringify(parsed);
    },
  });
interface Parsed {
  model: { vocab: Record<string, number>; merges: unknown };
  added_tokens: Record<string, unknown>[];
  [key: string]: unknown;
}
const template = (text: string) => changed({ 'tokenizer_config.json': merge({ chat_template: text }) });
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d'.repeat(32)}\nsize 4400216536\n`;
const q0 = projectionName(0, 'q');

/** What was done, the folder, and what the one line must say. */
const attacks: [string, () => string, RegExp][] = [
  // The safetensors file. What a header itself may say is in test/checkpoint/header.test.ts, from bytes alone.
  [
    'a header length of 2⁶³',
    () => sparse(1n << 63n, 1000),
    /model\.safetensors gives a header length of 9223372036854775808/,
  ],
  ['a header length of 2⁶⁴ − 1', () => sparse((1n << 64n) - 1n, 1000), /header length of 18446744073709551615/],
  [
    'a header of 200 MB',
    () => sparse(200_000_000n, 300_000_000),
    /length of 200000000 bytes, the format allows 100000000/,
  ],
  ['a header longer than its file', () => sparse(90_000_000n, 1000), /length of 90000000 bytes but is only 1000 bytes/],
  [
    'a header 100,000 levels deep',
    () => headerText(() => `{"a":${nested(100_000)}}`),
    /model\.safetensors.* described by a value nested too deeply/,
  ],
  [
    'a name twice',
    () => headerText((text) => text.replace('"model.norm.weight"', '"model.embed_tokens.weight"')),
    /names "model\.embed_tokens\.weight" twice/,
  ],
  [
    'a negative offset',
    () => header((table) => Object.assign(entry(table), { data_offsets: [-96, 0] })),
    /tensor model\.norm\.weight has data_offsets \[-96,0\]/,
  ],
  [
    'offsets that overlap',
    () => header((table) => Object.assign(entry(table), { data_offsets: [0, 96] })),
    /tensor .* overlaps the tensor before it/,
  ],
  ['a gap', () => header((table) => void delete table['model.norm.weight']), /leaves a gap|no tensor names/],
  [
    'a dtype that is larger than the bytes',
    () => header((table) => Object.assign(entry(table), { dtype: 'F64' })),
    /model\.norm\.weight has data_offsets .*, but F64 \[24\] takes 192 bytes/,
  ],
  [
    'a dtype of integers',
    () => header((table) => Object.assign(entry(table), { dtype: 'I32' })),
    /model\.norm\.weight is I32, only F32, F16 and BF16/,
  ],
  [
    'a shape whose product is 2⁶⁴',
    () => header((table) => Object.assign(entry(table), { shape: [2 ** 32, 2 ** 32] })),
    /takes 73786976294838206464 bytes/,
  ],
  [
    'a shape whose product is 0',
    () => header((table) => Object.assign(entry(table), { shape: [0, 24] })),
    /model\.norm\.weight .* takes 0 bytes/,
  ],
  [
    'a tensor of no elements',
    () =>
      header((table) => {
        table['model.norm.weight'] = { ...entry(table), shape: [0], data_offsets: [0, 0] };
      }),
    /gap|no tensor names|overlaps|has shape \[0\]/,
  ],
  [
    'names of the prototype',
    () => headerText((text) => text.replace('"model.norm.weight"', '"__proto__"')),
    /lacks tensor model\.norm\.weight/,
  ],
  [
    'a name with terminal codes',
    () => headerText((text) => text.replace('"model.norm.weight"', '"\\u001b[2J\\u0007"').replace('"F32"', '"F33"')),
    /has dtype "F33"/,
  ],
  [
    'a name of a million letters',
    () => headerText((text) => text.replace('"model.norm.weight"', `"${'a'.repeat(1e6)}"`).replaceAll('[24]', '[25]')),
    /takes 100 bytes|aaaa/,
  ],

  // The index and the shards.
  ...[
    '../../etc/passwd',
    '/etc/passwd',
    '../secret.safetensors',
    secret,
    'sub/x.safetensors',
    '..',
    '',
    'x\0.safetensors',
  ].map((shard): [string, () => string, RegExp] => [
    `an index that names ${JSON.stringify(shard)}`,
    () => shardOfNorm(shard),
    /index\.json names the shard .*only \.safetensors files in the same folder/,
  ]),
  [
    'an index that names a missing shard',
    () => shardOfNorm('model-00003-of-00002.safetensors'),
    /model-00003-of-00002\.safetensors cannot be read: no such file/,
  ],
  [
    'an index that misplaces a tensor',
    () => shardOfNorm('model-00001-of-00002.safetensors'),
    /puts tensor model\.norm\.weight into model-00001.*, which does not hold it/,
  ],
  [
    'an index 100,000 levels deep',
    () => changed({ 'model.safetensors.index.json': () => `{"weight_map":${nested(100_000)}}` }, sharded),
    /index\.json has no weight_map/,
  ],
  [
    'an index of 40 MB',
    () => sized('model.safetensors.index.json', 40e6, sharded),
    /index\.json is 40000000 bytes long, at most 32000000/,
  ],
  [
    'an index of the prototype',
    () =>
      changed({ 'model.safetensors.index.json': () => '{"__proto__":{"weight_map":{"a":"a.safetensors"}}}' }, sharded),
    /index\.json has no weight_map/,
  ],

  // Where files lie.
  ...[
    'model.safetensors',
    'config.json',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
    'special_tokens_map.json',
  ].map((name): [string, () => string, RegExp] => [
    `${name} as a link out of the folder`,
    () => linked(name, secret),
    new RegExp(`${name} leads to .*secret\\.safetensors, outside the model's folder`),
  ]),
  [
    'a link out by ..',
    () => linked('model.safetensors', '../secret.safetensors'),
    /leads to .*secret\.safetensors, outside/,
  ],
  [
    'a link to a folder whose name begins alike',
    () => {
      const folder = linked('model.safetensors', '../twin');
      const twin = `${folder}-twin`;
      mkdirSync(twin);
      writeFileSync(join(twin, 'x'), '');
      rmSync(join(folder, 'model.safetensors'));
      symlinkSync(join(twin, 'x'), join(folder, 'model.safetensors'));
      return folder;
    },
    /leads to .*-twin.x, outside/,
  ],
  [
    'a shard as a link out of the folder',
    () => linked('model-00002-of-00002.safetensors', secret, sharded),
    /model-00002-of-00002\.safetensors leads to/,
  ],
  ...[
    'models--org--name/blobs/secret',
    `datasets--org--name/blobs/${'0'.repeat(40)}`,
    `models--org--name/refs/${'0'.repeat(40)}`,
  ].map((path): [string, () => string, RegExp] => [
    `a link into a cache, to ${path}`,
    () => {
      const file = join(tmp, `cache-${made++}`, path);
      mkdirSync(join(file, '..'), { recursive: true });
      writeFileSync(file, 'not yours');
      return linked('tokenizer.json', file);
    },
    /tokenizer\.json leads to .*outside the model's folder: .* to a model's blobs in a Hugging Face cache alone/,
  ]),
  [
    'a link whose text alone leads to a blob of the cache',
    () => {
      const blobs = join(tmp, `cache-${made++}`, 'models--org--name', 'blobs');
      mkdirSync(blobs, { recursive: true });
      symlinkSync(secret, join(blobs, '0'.repeat(64)));
      return linked('model.safetensors', join(blobs, '0'.repeat(64)));
    },
    /model\.safetensors leads to .*secret\.safetensors, outside/,
  ],
  ...['config.json', 'model.safetensors', 'tokenizer.json', 'generation_config.json'].map(
    (name): [string, () => string, RegExp] => [
      `a Git LFS pointer for ${name}`,
      () => changed({ [name]: () => pointer }),
      new RegExp(
        `${name} is a Git LFS pointer, which stands for the file: run git lfs pull in its repository, or pull the model with `,
      ),
    ],
  ),
  [
    'a Git LFS pointer for a shard',
    () => changed({ 'model-00002-of-00002.safetensors': () => pointer }, sharded),
    /model-00002-of-00002\.safetensors is a Git LFS pointer/,
  ],
  [
    'a Git LFS pointer for a file that is only copied',
    () => {
      const folder = changed({});
      writeFileSync(join(folder, 'tokenizer.model'), pointer);
      return folder;
    },
    /tokenizer\.model is a Git LFS pointer/,
  ],
  ['a link to itself', () => linked('config.json', 'config.json'), /config\.json cannot be read/],
  [
    'a pipe',
    () => {
      const folder = changed({ 'config.json': null });
      execFileSync('mkfifo', [join(folder, 'config.json')]);
      return folder;
    },
    /config\.json is a device, not a file/,
  ],
  ['a link to /dev/zero', () => linked('config.json', '/dev/zero'), /config\.json leads to \/dev\/zero, outside/],
  [
    'a folder for a file',
    () => {
      const folder = changed({ 'tokenizer.json': null });
      mkdirSync(join(folder, 'tokenizer.json'));
      return folder;
    },
    /tokenizer\.json is a folder, not a file/,
  ],

  // The config.
  ['10⁹ layers', () => config({ num_hidden_layers: 1e9 }), /lacks tensor model\.layers\.\d/],
  ['no heads', () => config({ num_attention_heads: 0 }), /config\.json: num_attention_heads/],
  ['no layers', () => config({ num_hidden_layers: 0 }), /config\.json: num_hidden_layers/],
  ['a negative size', () => config({ hidden_size: -24 }), /config\.json: hidden_size/],
  ['a size of 10³⁰⁰', () => config({ hidden_size: 1e300 }), /config\.json: hidden_size/],
  [
    'a size that is infinite',
    () => changed({ 'config.json': (old) => old.toString().replace(/"vocab_size": *\d+/, '"vocab_size": 1e999') }),
    /config\.json: vocab_size/,
  ],
  [
    'a vocabulary of 2⁵²',
    () => config({ vocab_size: 2 ** 52 }),
    /embed_tokens\.weight has shape .*calls for \[4503599627370496,24\]/,
  ],
  [
    '10⁹ heads',
    () => config({ num_attention_heads: 1e9, head_dim: 2 }),
    /q_proj\.weight has shape .*calls for \[2000000000,24\]/,
  ],
  ['a key twice', () => configText('"vocab_size":7'), /config\.json names "vocab_size" twice/],
  [
    'a config 100,000 levels deep',
    () => configText(`"quantization_config":${nested(100_000)}`),
    /quantization_config .* is not supported/,
  ],
  [
    'a config of the prototype',
    () => changed({ 'config.json': (old) => `{"__proto__":${old.toString()}}` }),
    /config\.json names neither architectures nor a model_type/,
  ],
  [
    'a config of 2 MB',
    () => configText(`"a":"${'a'.repeat(2e6)}"`),
    /config\.json is 2\d{6} bytes long, at most 1000000/,
  ],
  [
    'a config in UTF-16',
    () => changed({ 'config.json': (old) => Buffer.from(old.toString(), 'utf16le') }),
    /config\.json is not valid JSON/,
  ],
  [
    'a generation config that is a list',
    () => changed({ 'generation_config.json': () => '[]' }),
    /generation_config\.json: the file/,
  ],

  // The weights.
  [
    'a weight that is not a number',
    () => weight(q0, 5, Number.NaN),
    /tensor model\.layers\.0\.self_attn\.q_proj\.weight holds NaN at \[0, 5\]/,
  ],
  [
    'a weight that is infinite',
    () => weight(projectionName(0, 'v'), 25, Number.NEGATIVE_INFINITY),
    /v_proj\.weight holds -Infinity at \[1, 1\]/,
  ],

  // The tokenizer.
  [
    'ids beyond the embedding',
    () =>
      tokenizer(({ model }) => {
        for (const piece of Object.keys(model.vocab)) model.vocab[piece] = (model.vocab[piece] ?? 0) + 1e6;
      }),
    /the model's vocab_size is/,
  ],
  [
    'negative ids',
    () =>
      tokenizer(({ model }) => {
        for (const piece of Object.keys(model.vocab)) model.vocab[piece] = -5;
      }),
    /tokenizer\.json cannot be read as a tokenizer: model\.vocab: the id of "0" is -5/,
  ],
  [
    'a vocabulary that is a number',
    () => tokenizer((parsed) => Object.assign(parsed.model, { vocab: 3 })),
    /tokenizer\.json cannot be read as a tokenizer: model\.vocab is 3/,
  ],
  [
    'an empty vocabulary',
    () => tokenizer((parsed) => Object.assign(parsed.model, { vocab: {} })),
    /tokenizer\.json cannot be read as a tokenizer: model\.vocab is \{\}/,
  ],
  [
    'merges that are numbers',
    () => tokenizer((parsed) => Object.assign(parsed.model, { merges: [1, 2] })),
    /tokenizer\.json/,
  ],
  [
    'a pre-tokenizer that is no pattern',
    () =>
      tokenizer((parsed) =>
        Object.assign(parsed, {
          pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false },
        }),
      ),
    /tokenizer\.json/,
  ],
  [
    'a normalizer 20,000 levels deep',
    () =>
      changed({
        'tokenizer.json': (old) =>
          JSON.stringify({ ...JSON.parse(old.toString()), normalizer: '…' }).replace(
            '"…"',
            `${'{"type":"Sequence","normalizers":['.repeat(20_000)}${']}'.repeat(20_000)}`,
          ),
      }),
    /tokenizer\.json cannot be read as a tokenizer: Maximum call stack/,
  ],
  [
    'a tokenizer of 70 MB',
    () => sized('tokenizer.json', 70e6),
    /tokenizer\.json is 70000000 bytes long, at most 64000000/,
  ],
  [
    'a tokenizer config of the prototype',
    () =>
      changed({ 'tokenizer_config.json': () => '{"__proto__":{"chat_template":{}}}', 'tokenizer.json': () => '{}' }),
    /tokenizer\.json/,
  ],

  // The chat template.
  [
    'a template that loops 10⁹ times',
    () => template('{% for i in range(1000000000) %}{% endfor %}'),
    /chat template fails: range\(0, 1000000000, 1\)/,
  ],
  [
    'loops in loops',
    () =>
      template(
        '{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor %}',
      ),
    /chat template fails: it takes too many steps/,
  ],
  [
    'a template that calls itself',
    () => template('{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}'),
    /chat template fails/,
  ],
  [
    'a template that throws',
    () => template("{{ raise_exception('no\\n\\u001b[2Jroom') }}"),
    /chat template fails: no .*room/,
  ],
  [
    'a template that doubles a text',
    () =>
      template(
        '{% set n = namespace(s="aaaa") %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}',
      ),
    /chat template fails: it makes a value of more than/,
  ],
  [
    'a template that doubles a list',
    () =>
      template('{% set n = namespace(s=[1]) %}{% for i in range(60) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}'),
    /chat template fails: it (makes a value|takes too many)/,
  ],
  [
    'a template of 900,000 characters',
    () => template('a'.repeat(900_000)),
    /chat template fails: it has 900000 characters, at most 100000/,
  ],
  [
    'a template 20,000 levels deep',
    () => template(`{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`),
    /chat template fails: Maximum call stack/,
  ],
  ['a template that is not one', () => template('{% for m in messages'), /chat template fails/],
  [
    'a template that reaches for JavaScript',
    () => template("{{ messages.constructor.constructor('return process')().exit(7) }}"),
    /chat template fails/,
  ],
];

describe('one line, naming what is wrong', () => {
  writeFileSync(secret, 'not yours');
  test.each(attacks)('%s', async (_name, folder, message) => {
    const path = folder();
    const error: unknown = await use(path).then(
      () => new Error('nothing was refused'),
      (thrown) => thrown,
    );
    expect(error, String((error as Error).stack)).toBeInstanceOf(SurgeryError);
    const line = messageOf(error);
    expect(line).toMatch(message);
    expect(line).not.toMatch(/\p{Cc}/u);
    expect(line).not.toContain('not yours');
    expect(line.length).toBeLessThanOrEqual(2001);
    expect(({} as Record<string, unknown>).weight_map).toBeUndefined();
  });
});

describe('what looks alike and is in order', () => {
  /** A repository as the Hugging Face cache lays it out. */
  function cached(blobs = 'blobs'): string {
    const repository = join(tmp, `models--org--name-${made++}`);
    const snapshot = join(repository, 'snapshots', '0123abcd');
    mkdirSync(snapshot, { recursive: true });
    copyModel(sharded, join(repository, blobs));
    for (const name of readdirSync(join(repository, blobs)))
      symlinkSync(`../../${blobs}/${name}`, join(snapshot, name));
    return snapshot;
  }

  /** A folder as `huggingface-cli download --local-dir` made it before 0.23: links to the blobs of a cache elsewhere. */
  function localFolder(): string {
    const blobs = join(tmp, `cache-${made++}`, 'models--org--name', 'blobs');
    copyModel(sharded, blobs);
    const folder = join(tmp, `local-${made++}`);
    mkdirSync(folder);
    for (const [i, name] of readdirSync(blobs).entries()) {
      const hash = String(i).padStart(i % 2 ? 40 : 64, '0');
      renameSync(join(blobs, name), join(blobs, hash));
      symlinkSync(join('..', relative(tmp, blobs), hash), join(folder, name));
    }
    return folder;
  }

  test('links within a repository of the Hugging Face cache, to its blobs, to what its repositories share, and within a folder', async () => {
    await use(cached());
    await use(cached('../blobs/ab'));
    await expect(use(cached('other'))).rejects.toThrow(/outside the model's folder/);
    await use(localFolder());
    const folder = changed({});
    renameSync(join(folder, 'model.safetensors'), join(folder, 'weights'));
    symlinkSync('weights', join(folder, 'model.safetensors'));
    await use(folder);
    const alias = join(tmp, 'alias');
    symlinkSync(folder, alias);
    await use(alias);
  });

  test('a tokenizer with fewer pieces than the embedding has rows, as padded ones are', async () => {
    const checkpoint = await Checkpoint.open(mqa);
    const text = await Tokenizer.open(checkpoint);
    const last = checkpoint.config.vocabSize - 1;
    const folder = tokenizer((parsed) => {
      const kept = Object.entries(parsed.model.vocab).filter(([, id]) => id !== last);
      parsed.model.vocab = Object.fromEntries(kept);
    });
    const padded = await Tokenizer.open(await Checkpoint.open(folder));
    expect(padded.encode('a')).toEqual(text.encode('a'));
    expect(padded.decode([last])).toBe('');
  });
});

test('none of these took more than 200 MB of memory at any time', () => {
  expect((process.resourceUsage().maxRSS - before) * 1024).toBeLessThan(200e6);
});
