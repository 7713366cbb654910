// The library's functions, called as a program in plain JavaScript may call them: every mistake is one line.
import { beforeAll, describe, expect, test, vi } from 'vitest';
import * as library from '../src/index.ts';
import { SurgeryError } from '../src/index.ts';
import { fixture, temporaryFolder } from './support/paths.ts';

const tmp = temporaryFolder();
const folder = fixture('mha-tied-f16');
const checkpoint = await library.openCheckpoint(folder);
const { config } = checkpoint;
const pocket = await library.openCheckpoint('pocket');
const tokenizer = await library.Tokenizer.open(pocket);
const operator = new library.Operator(checkpoint);
const recipe = library.completeRecipe([{ kind: 'pca', variance: 0.5 }], config);
const replaceable = library.touchedBy([recipe], config);
const runtime = await library.Runtime.open(checkpoint, { replaceable, threads: 1 });
const weights = runtime.variant(new Map());
const documents = [[1, 24, 70, 3, 24]];
const questions = [
  {
    task: { task: 'a', context: 'a', choices: ['b', 'c'], answer: 0 },
    context: [1],
    choices: [
      [1, 2],
      [1, 3],
    ],
    shared: 1,
  },
];
const q = replaceable[0] ?? '';
const long = [Array<number>(config.contextLength + 1).fill(3)];

beforeAll(() => {
  vi.stubEnv('SURGERY_CACHE', tmp);
});

/** A call that a compiler would refuse. */
// biome-ignore lint/suspicious/noExplicitAny: what plain JavaScript may give
type Anything = any;
const lib = library as Anything;

const walk = new library.Walk(checkpoint, documents, { threads: 1 });

/** By function: a wrong call, and how its line begins or what it holds. */
const mistakes: Readonly<Record<string, readonly [call: () => unknown, line: RegExp][]>> = {
  Walk: [
    [() => new lib.Walk(folder, documents), /^checkpoint is ".*", allowed: a Checkpoint, from openCheckpoint$/],
    [() => new lib.Walk(checkpoint, long), /^document 1 has \d+ tokens, the model's context is \d+: cut it$/],
    [() => new lib.Walk(checkpoint, documents, { memmory: 1 }), /^Walk has no option "memmory", allowed: threads, /],
    [() => new lib.Walk(checkpoint, documents, { memory: 5 }), /^0 MB of memory are too few: /],
    [
      () => walk.run(replaceable as Anything),
      /^variants is \["model.*, allowed: a list of variants, from Operator.layered$/,
    ],
    [
      () => walk.run([], { visitBlock: () => {}, activations: () => ['up' as Anything] }),
      /^activations\(0\) is \["up"\], allowed: a list of qkv, o, gateup, down$/,
    ],
  ],
  statisticsVisitor: [
    [() => lib.statisticsVisitor(runtime), /^walk is a Runtime, allowed: a Walk$/],
    [() => lib.statisticsVisitor(walk), /^onLayer is missing, allowed: a function$/],
    [
      () => lib.statisticsVisitor(walk, () => {}, { layers: [9] }),
      /^layers is \[9\], allowed: a list of layers, 0 to \d$/,
    ],
    [
      () => lib.statisticsVisitor(walk, () => {}, { activations: ['up'] }),
      /^statisticsVisitor: activations is \["up"\], allowed: a list of qkv, o, gateup, down$/,
    ],
    [
      () => lib.statisticsVisitor(new library.Walk(checkpoint, [[1]]), () => {}, { withoutFirst: true }),
      /^no document has a second token: /,
    ],
  ],
  scoreWalk: [[() => lib.scoreWalk(runtime), /^walk is a Runtime, allowed: a Walk$/]],
  openCheckpoint: [
    [() => lib.openCheckpoint(), /^reference is missing, allowed: a checkpoint folder, "pocket" or/],
    [() => lib.openCheckpoint(''), /^reference is "", allowed: /],
    [() => lib.openCheckpoint('no/such/folder/at-all'), /^no folder no\/such/],
    [
      () => lib.openCheckpoint('pocket', { ofline: true }),
      /^openCheckpoint has no option "ofline", allowed: offline, reporter$/,
    ],
  ],
  Checkpoint: [
    [() => lib.Checkpoint.open(), /^folder is missing, allowed: a string$/],
    [() => checkpoint.tensor('q'), /holds no tensor q$/],
    [
      () => checkpoint.readFloat32(q, [0, 1e6]),
      /^rows of .* are \[0,1000000\], allowed: \[from, to\] within 0 to \d+$/,
    ],
  ],
  operate: [
    [
      () => lib.operate(lib.openCheckpoint(folder), recipe),
      /^checkpoint is a Promise \(put await before it\), allowed: a Checkpoint/,
    ],
    [() => lib.operate(checkpoint), /^the recipe is missing, allowed: a list of operations, such as \[\{"kind": "pca"/],
    [() => lib.operate(checkpoint, []), /^the recipe is \[\], allowed/],
    [
      () => lib.operate(checkpoint, { mode: 'shared-kv', rank: 3 }),
      /^the recipe is \{"mode":"shared-kv","rank":3\}, allowed: a list/,
    ],
    [() => lib.operate(checkpoint, [{ mode: 'shared-kv' }]), /^kind is missing, allowed: pca, .*zero, .*none$/],
    [() => lib.operate(checkpoint, [{ kind: 'svd' }]), /^kind is "svd", allowed: pca, .*zero, .*none$/],
    [() => lib.operate(checkpoint, ['pca']), /^an operation is "pca", allowed: an object with its kind/],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca', mode: 'shared' }]),
      /^mode is "shared", allowed: shared-kv, separate/,
    ],
    [() => lib.operate(checkpoint, [{ kind: 'pca', mean: 'kept' }]), /^mean is "kept", allowed: keep, drop$/],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca', targets: ['mlp'] }]),
      /^targets is \["mlp"\], allowed: q, k, v, o, gate, up, down$/,
    ],
    [() => lib.operate(checkpoint, [{ kind: 'pca', targets: [] }]), /^targets is \[\], allowed: q, k/],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca', allocate: 'all' }]),
      /^allocate is "all", allowed: uniform, global$/,
    ],
    [() => lib.operate(checkpoint, [{ kind: 'pca', control: 'nois' }]), /^control is "nois", allowed: full-rank, /],
    [() => lib.operate(checkpoint, [{ kind: 'pca', match: 'width' }]), /^match is "width", allowed: shared-kv/],
    [() => lib.operate(checkpoint, [{ kind: 'pca', center: 'no' }]), /^center is "no", allowed: on, off$/],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca', varience: 0.5 }]),
      /^pca has no field "varience", allowed: mode, variance/,
    ],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca', rank: 3, variance: 0.5 }]),
      /^variance 0.5 and rank 3: give one of them$/,
    ],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca', variance: Number.NaN }]),
      /^variance is NaN, allowed: a number above 0 up to 1$/,
    ],
    [() => lib.operate(checkpoint, [{ kind: 'pca', variance: null }]), /^variance is null, which no option takes$/],
    [() => lib.operate(checkpoint, [{ kind: 'pca', rank: 1.5 }]), /^rank is 1.5, allowed: a whole number from 0$/],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca', layers: [99] }]),
      /^layer 99 is not there, this model's layers are 0 to/,
    ],
    [() => lib.operate(checkpoint, [{ kind: 'pca', layers: [] }]), /^layers is \[\], allowed: numbers and ranges/],
    [() => lib.operate(checkpoint, [{ kind: 'pca' }, { kind: 'zero' }]), /^zero names nothing to cut/],
    [
      () => lib.operate(checkpoint, [{ kind: 'pca' }, { kind: 'zero', heads: ['x'] }]),
      /^operation 2: heads is \["x"\], allowed: a layer/,
    ],
    [
      () => lib.operate(checkpoint, recipe, { dtype: 'float16' }),
      /^operate: dtype is "float16", allowed: F32, F16, BF16$/,
    ],
    [
      () => lib.operate(checkpoint, recipe, { thread: 2 }),
      /^operate has no option "thread", allowed: threads, dtype, engine/,
    ],
    [
      () => lib.operate(checkpoint, recipe, { threads: '2' }),
      /^operate: threads is "2", allowed: a whole number from 1 to 256$/,
    ],
    [() => lib.operate(checkpoint, recipe, null), /^operate: options is null, allowed: an object with threads/],
  ],
  Operator: [
    [() => new lib.Operator(folder), /^checkpoint is ".*", allowed: a Checkpoint, from openCheckpoint$/],
    [
      () => new lib.Operator(checkpoint, { engine: 'lapack' }),
      /^Operator: engine is "lapack", allowed: native, ml-pca$/,
    ],
    [() => operator.apply([{ kind: 'pca', mean: 'kept' } as Anything]), /^mean is "kept"/],
    [() => operator.apply(recipe, 5 as Anything), /^onProgress is 5, allowed: a function$/],
  ],
  completeRecipe: [
    [() => lib.completeRecipe([{ kind: 'zero', heads: ['0.99'] }], config), /^0.99 is not there/],
    [() => lib.completeRecipe(recipe, checkpoint), /^config is a Checkpoint, allowed: a checkpoint's config$/],
  ],
  touchedBy: [
    [() => lib.touchedBy(recipe, config), /^the recipe is \{"kind":"pca".*, allowed: a list of operations/],
    [() => lib.touchedBy([recipe]), /^config is missing/],
  ],
  recipeHash: [
    [
      () => lib.recipeHash([{ kind: 'pca' }]),
      /^mode is missing, allowed: a recipe with nothing left to default, from completeRecipe$/,
    ],
    [() => lib.recipeHash('pca'), /^the recipe is "pca"/],
  ],
  recipeText: [[() => lib.recipeText([{ kind: 'pca', mean: 'kept' }]), /^mean is "kept"/]],
  readRecipe: [
    [() => lib.readRecipe(), /^file is missing, allowed: a string$/],
    [() => lib.readRecipe('no.json'), /^no.json cannot be read/],
  ],
  planSweep: [
    [() => lib.planSweep({}, config), /^planSweep: kind is missing, allowed: pca, .*zero, .*none$/],
    [
      () => lib.planSweep({ kind: 'pca', varied: { variance: 0.5 } }, config),
      /^planSweep: varied.variance is 0.5, allowed: a list of values/,
    ],
    [() => lib.planSweep({ kind: 'pca', varied: { variance: [3] } }, config), /^variance is 3, allowed/],
    [() => lib.planSweep({ kind: 'pca', varied: { heads: ['0.0'] } }, config), /^pca has no field "heads"/],
    [() => lib.planSweep({ kind: 'pca', fixed: { targets: 'x' } }, config), /^targets is "x"/],
    [
      () => lib.planSweep({ kind: 'pca', match: 'width' }, config),
      /^planSweep: match is "width", allowed: a list of variance, width/,
    ],
    [
      () => lib.planSweep({ kind: 'pca', variance: [0.5] }, config),
      /^planSweep has no option "variance", allowed: kind, varied/,
    ],
    [() => lib.planSweep({ kind: 'pca' }), /^config is missing/],
  ],
  runExperiment: [
    [() => lib.runExperiment('pocket', [recipe], documents), /^checkpoint is "pocket", allowed: a Checkpoint/],
    [() => lib.runExperiment(checkpoint, recipe, documents), /^the recipe is \{"kind"/],
    [() => lib.runExperiment(checkpoint, [recipe]), /^documents is missing, allowed: a list of texts or/],
    [() => lib.runExperiment(checkpoint, [recipe], []), /^documents is \[\], allowed: at least one document$/],
    [
      () => lib.runExperiment(checkpoint, [recipe], [[1, 5000]]),
      /^document 1 holds 5000, allowed: token ids from 0 to/,
    ],
    [
      () => lib.runExperiment(checkpoint, [recipe], long),
      /^document 1 has \d+ tokens, the model's context is \d+: cut it$/,
    ],
    [
      () => lib.runExperiment(checkpoint, [recipe], documents, { generation: { maxNewToken: 3 } }),
      /^generation has no option "maxNewToken"/,
    ],
    [
      () => lib.runExperiment(checkpoint, [recipe], documents, { precision: 'int4' }),
      /^runExperiment: precision is "int4", allowed: fp32, int8$/,
    ],
    [
      () => lib.runExperiment(checkpoint, [recipe], documents, { prompts: ['Once'] }),
      /^runExperiment: prompts is \["Once"\], allowed/,
    ],
  ],
  writeCheckpoint: [
    [() => lib.writeCheckpoint(checkpoint, { [q]: new Float32Array(4) }, tmp), /^the replaced weights is \{/],
    [
      () => lib.writeCheckpoint(checkpoint, new Map([['q', new Float32Array(4)]]), tmp),
      /^the replaced weight q is not in /,
    ],
    [
      () => lib.writeCheckpoint(checkpoint, new Map([[q, new Float32Array(4)]]), tmp),
      /^the replaced weight .* is a Float32Array, allowed: a Float32Array of \d+ numbers$/,
    ],
    [() => lib.writeCheckpoint(checkpoint, new Map()), /^folder is missing/],
    [
      () => lib.writeCheckpoint(checkpoint, new Map(), tmp, { dtype: 'bf16' }),
      /^writeCheckpoint: dtype is "bf16", allowed: F32/,
    ],
    [
      () => lib.writeCheckpoint(checkpoint, new Map(), tmp, { provenance: { a: 1 } }),
      /^writeCheckpoint: provenance is \{"a":1\}/,
    ],
  ],
  spectra: [
    [() => lib.spectra(checkpoint, { mode: 'shared' }), /^mode is "shared"/],
    [() => lib.spectra(checkpoint, {}, { threads: 0 }), /^spectra: threads is 0/],
  ],
  Runtime: [
    [() => lib.Runtime.open('pocket'), /^checkpoint is "pocket"/],
    [
      () => lib.Runtime.open(checkpoint, { replacable: [] }),
      /^Runtime.open has no option "replacable", allowed: precision/,
    ],
    [
      () => lib.Runtime.open(checkpoint, { replaceable: 'q' }),
      /^Runtime.open: replaceable is "q", allowed: a list of tensor names/,
    ],
    [() => lib.Runtime.open(checkpoint, { replaceable: ['q'] }), /holds no tensor q$/],
    [
      () => lib.Runtime.open(checkpoint, { variantsTogether: 0 }),
      /^Runtime.open: variantsTogether is 0, allowed: a whole number from 1$/,
    ],
    [
      () => runtime.variant(new Map([['model.norm.weight', new Float32Array(config.hiddenSize)]])),
      /^model.norm.weight was not declared replaceable/,
    ],
    [() => runtime.variant(new Map([[q, new Float32Array(1)]])), /^the replaced weight /],
    [() => runtime.sequence('5' as Anything), /^capacity is "5", allowed: a whole number from 0$/],
    [
      () => runtime.sequence(5, new Map() as Anything),
      /^weights is a Map, allowed: what variant of this runtime gives$/,
    ],
    [() => runtime.sequence(config.contextLength + 1), /tokens do not fit the model's context of/],
    [
      () => runtime.batch(5, [weights, runtime.variant(new Map())]),
      /^2 different variants in a batch, the runtime was opened for 1: open it with variantsTogether: 2$/,
    ],
    [() => runtime.sequence(5).readToEnd([1, 5000]), /^ids holds 5000, allowed: token ids from 0 to/],
    [() => runtime.sequence(5).readToEnd('Once' as Anything), /^ids is "Once", allowed: a list of token ids/],
    [() => runtime.sequence(2).readToEnd([1, 2, 3]), /^3 tokens do not fit a sequence with room for 2$/],
    [() => runtime.sequence(2).readResiduals([1]).next(), /^this runtime has no taps/],
    [() => runtime.sequence(2).readLens([1]).next(), /^this runtime has no taps/],
    [() => runtime.sequence(2).rewind(1), /^length is 1, allowed: a whole number from 0 to 0$/],
  ],
  Sequence: [[() => runtime.sequence(5).readAll([0.5]).next(), /^ids holds 0.5, allowed/]],
  Batch: [
    [() => runtime.batch(5, [weights]).step([1] as Anything), /^next is \[1\], allowed: a Map of tokens by sequence$/],
  ],
  score: [
    [() => lib.score('Once upon', { runtime }), /^documents is "Once upon", allowed: a list of texts or of lists/],
    [() => lib.score([], { runtime }), /^documents is \[\], allowed: at least one/],
    [() => lib.score([7], { runtime }), /^document 1 is 7, allowed: a list of token ids/],
    [() => lib.score(['Once'], { vocab: 9, chunks: () => [] }), /^document 1 is "Once", allowed: a list of token ids/],
    [() => lib.score([[1, -1]], { runtime }), /^document 1 holds -1, allowed: token ids/],
    [() => lib.score([[]], { runtime }), /^document 1 has no tokens/],
    [() => lib.score([[1]], { runtime }), /^no document has two tokens/],
    [() => lib.score(long, { runtime }), /^document 1 has \d+ tokens, the model's context/],
    [() => lib.score(documents, runtime), /^the original is a Runtime, allowed: an object with runtime and weights$/],
    [() => lib.score(documents), /^the original is missing/],
    [
      () => lib.score(documents, { runtime }, { runtime, weights }),
      /^variants is .*, allowed: a list of \{runtime, weights\}$/,
    ],
    [
      () => lib.score(documents, { runtime }, [{ runtime, tensors: weights }]),
      /^variants: model 1 has a key tensors, allowed: runtime, and weights/,
    ],
    [() => lib.score(documents, { runtime }, [{ runtime, weights: new Map() }]), /^weights is a Map/],
  ],
  generate: [
    [() => lib.generate(runtime, 'Once upon'), /^the prompt is "Once upon", allowed: a list of token ids/],
    [() => lib.generate(runtime, []), /^the prompt has no tokens/],
    [() => lib.generate(checkpoint, [1]), /^runtime is a Checkpoint, allowed: a Runtime, from Runtime.open$/],
    [() => lib.generate(runtime, [1], { temperature: 0 }), /^generate has no option "temperature", allowed: sampling/],
    [
      () => lib.generate(runtime, [1], { sampling: { temperature: -1 } }),
      /^sampling: temperature is -1, allowed: a number from 0 up to 100$/,
    ],
    [
      () => lib.generate(runtime, [1], { maxNewTokens: 0 }),
      /^generate: maxNewTokens is 0, allowed: a whole number from 1$/,
    ],
  ],
  generateTogether: [
    [() => lib.generateTogether(runtime, [[1]]), /^starts is \[\[1\]\], allowed: a list of \{prompt, weights\}$/],
    [() => lib.generateTogether(runtime, [{ prompt: [1] }], { seed: -1 }), /^generation: seed is -1/],
  ],
  lens: [
    [() => lib.lens(folder, documents), /^checkpoint is ".*", allowed: a Checkpoint/],
    [() => lib.lens(checkpoint, 'Once'), /^documents is "Once", allowed: a list of texts/],
    [() => lib.lens(checkpoint, documents, { top: 5 }), /^lens has no option "top", allowed: threads, /],
    [
      () => lib.lens(checkpoint, documents, { recipe: 'pca' }),
      /^lens: recipe is "pca", allowed: a list of operations$/,
    ],
    [
      () => lib.lens(checkpoint, documents, { recipe: [{ kind: 'svd' }] }),
      /^kind is "svd", allowed: pca, .*zero, .*none$/,
    ],
  ],
  outliers: [
    [() => lib.outliers(folder, documents), /^checkpoint is ".*", allowed: a Checkpoint/],
    [
      () => lib.outliers(checkpoint, documents, { seed: 1 }),
      /^outliers has no option "seed", allowed: threads, memory/,
    ],
    [() => lib.outliers(checkpoint, documents, { memory: 0 }), /^outliers: memory is 0, allowed: /],
  ],
  unlikely: [
    [() => lib.unlikely(folder, documents), /^checkpoint is ".*", allowed: a Checkpoint/],
    [() => lib.unlikely(checkpoint, []), /^documents is \[\], allowed: at least one document$/],
    [() => lib.unlikely(checkpoint, documents, { sed: 1 }), /^unlikely has no option "sed", allowed: threads, /],
    [() => lib.unlikely(checkpoint, documents, { seed: -1 }), /^unlikely: seed is -1, allowed: a whole number from 0$/],
  ],
  basis: [
    [() => lib.basis(folder, documents), /^checkpoint is ".*", allowed: a Checkpoint/],
    [() => lib.basis(pocket, documents), /^the documents: 3 positions to probe, 100 are the least/],
    [() => lib.basis(pocket, documents, { method: 'ica' }), /^basis: method is "ica", allowed: pca, nmf, frequency, /],
    [() => lib.basis(pocket, documents, { of: 'head' }), /^basis: of is "head", allowed: embed, unembed$/],
    [() => lib.basis(pocket, documents, { components: 500 }), /^basis: components is 500, pca allows 1 to 128 on this/],
  ],
  sensitivity: [
    [() => lib.sensitivity(folder, documents), /^checkpoint is ".*", allowed: a Checkpoint/],
    [
      () => lib.sensitivity(checkpoint, documents, { by: 'row' as Anything }),
      /^sensitivity: by is "row", allowed: layer, /,
    ],
    [() => lib.sensitivity(checkpoint, documents, { by: 'head' }), /^--by head is of kinds that cut units/],
    [
      () => lib.sensitivity(checkpoint, documents, { variance: 0.9 }),
      /^sensitivity: variance is 0.9, allowed: a list of numbers above 0 up to 1, one at least$/,
    ],
    [() => lib.sensitivity(checkpoint, documents, { operation: { mode: 'x' } }), /mode is "x", allowed: shared-kv/],
    [() => lib.sensitivity(checkpoint, documents, { operation: { variance: 5 } }), /variance is 5, allowed: /],
    [() => lib.sensitivity(checkpoint, []), /^documents is \[\], allowed: at least one document$/],
  ],
  probe: [
    [() => lib.probe(folder, documents), /^checkpoint is ".*", allowed: a Checkpoint/],
    [() => lib.probe(pocket, documents), /^the documents: 3 positions to probe, 100 are the least/],
    [() => lib.probe(checkpoint, documents, { bosId: 1 }), /^probe has no option "bosId", allowed: threads, /],
  ],
  encodeTasks: [
    [
      () => lib.encodeTasks([{ context: 'a' }], 'name', tokenizer, 8),
      /^tasks is \[\{"context":"a"\}\], allowed: a list of questions/,
    ],
    [() => lib.encodeTasks([], 'name', {}, 8), /^tokenizer is \{\}, allowed: a Tokenizer/],
  ],
  scoreTasks: [
    [
      () => lib.scoreTasks([{ context: 'a' }], { runtime }),
      /^questions is .*, allowed: a list of questions, from encodeTasks$/,
    ],
    [() => lib.scoreTasks([], { runtime }), /^questions is \[\], allowed: one question or more$/],
    [() => lib.scoreTasks(questions, runtime), /^the model is a Runtime/],
  ],
  taskTrees: [[() => lib.taskTrees('tasks.jsonl'), /^questions is "tasks.jsonl", allowed: a list of questions, from/]],
  walkedTasks: [[() => lib.walkedTasks(runtime, {}, () => {}, questions), /^walk is a Runtime, allowed: a Walk$/]],
  readDocuments: [
    [() => lib.readDocuments(), /^file is missing, allowed: a string$/],
    [() => lib.readDocuments('a.csv', 3), /^column is 3, allowed: a string$/],
  ],
  readTasks: [[() => lib.readTasks(['a.jsonl']), /^file is \["a.jsonl"\], allowed: a string$/]],
  bootstrapMean: [
    [() => lib.bootstrapMean([]), /^groups is \[\], allowed: a list of \{sum, count\}, one at least$/],
    [() => lib.bootstrapMean([{ sum: 1, count: 1 }], 0, 10, 95), /^level is 95, allowed: a number between 0 and 1$/],
  ],
  multiply: [
    [() => lib.multiply([[1]], [[1]]), /^a matrix is \[\[1\]\], allowed: \{rows, cols, data\}/],
    [
      () =>
        lib.multiply({ rows: 1, cols: 2, data: new Float64Array(2) }, { rows: 3, cols: 1, data: new Float64Array(3) }),
      /1/,
    ],
  ],
  symmetricEigen: [
    [() => lib.symmetricEigen([1], 1), /^the matrix is \[1\], allowed: a Float64Array$/],
    [() => lib.symmetricEigen(new Float64Array(3), 2), /2² numbers, here are 3$/],
  ],
  Tokenizer: [
    [() => lib.Tokenizer.open(folder), /^checkpoint is "/],
    [() => tokenizer.encode(5 as Anything), /^the text is 5, allowed: a string$/],
    [() => tokenizer.encode('a', 0), /^maxTokens is 0, allowed: a whole number from 1$/],
    [() => tokenizer.encodeAll('a' as Anything), /^texts is "a", allowed: a list of texts$/],
    [() => tokenizer.encodeChat([] as Anything), /^the prompt is \[\], allowed: a string$/],
    [() => tokenizer.chat('Hello' as Anything), /^messages is "Hello", allowed: a list of \{"role", "content"\}/],
    [() => tokenizer.decode(['a'] as Anything), /^ids holds "a", allowed: token ids from 0 to/],
    [() => tokenizer.piece(-1), /^id holds -1, allowed/],
  ],
};

describe('a mistake in a call is one line', () => {
  const rows = Object.entries(mistakes).flatMap(([name, calls]) =>
    calls.map(([call, line], i) => ({ name: `${name} ${i + 1}`, call, line })),
  );
  test.each(rows)('$name', async ({ call, line }) => {
    const error = await (async () => call())().then(
      () => new TypeError('it was taken'),
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(SurgeryError);
    const { message } = error as SurgeryError;
    expect(message).toMatch(line);
    expect(message).not.toContain('\n');
  });

  test('of every function and class that the library has', () => {
    const functions = Object.entries(library).filter(([, value]) => typeof value === 'function');
    const names = functions.map(([name]) => name).filter((name) => !['SurgeryError', 'StreamDecoder'].includes(name));
    expect(Object.keys(mistakes).sort()).toEqual(names.sort());
  });
});

describe('what is left out has the default of the commands', () => {
  const errorOf = async (spec: object) => {
    const { footprint } = await library.operate(checkpoint, [
      { kind: 'pca', mode: 'shared-kv', rank: 3, ...spec } as Anything,
    ]);
    return footprint?.relativeError;
  };

  test('an operation keeps the mean', async () => {
    expect(await errorOf({})).toBe(await errorOf({ mean: 'keep' }));
    expect(await errorOf({})).not.toBe(await errorOf({ mean: 'drop' }));
  });

  test('a text is continued with temperature 0.7, top-p 0.9 and seed 0', async () => {
    const { ids } = await library.generate(runtime, [1, 24]);
    const sampling = { temperature: 0.7, topP: 0.9, topK: 0, repetitionPenalty: 1 };
    const same = await library.generate(runtime, [1, 24], {
      sampling,
      seed: 0,
      maxNewTokens: 100,
      stopIds: config.eosIds,
    });
    expect(ids).toEqual(same.ids);
    expect((await library.generate(runtime, [1, 24], { sampling: { temperature: 0 } })).ids).not.toEqual(ids);
  });

  test('recipes that are not complete have the same weights and cells as complete ones', () => {
    expect(library.touchedBy([[{ kind: 'pca', variance: 0.5 }]], config)).toEqual(replaceable);
    expect(
      library.planSweep({ kind: 'pca', varied: { variance: [0.5] } }, config).cells.map(({ kind }) => kind),
    ).toEqual(['pca', 'pca']);
  });
});

describe('one call', () => {
  const edit = [{ kind: 'zero', heads: ['2.1'] }] as const;
  const prompt = 'Lily had a red';

  test('lens: what the last layer predicts is what the session does, for the original and the variant', async () => {
    const { points, prompts, text } = await library.lens(pocket, [prompt], {
      recipe: edit,
      topTokens: 2,
      documents: [prompt],
    });
    const ids = tokenizer.encode(prompt);
    expect(points).toEqual(['embed', '0', '1', '2', '3', '4', '5']);
    expect(prompts.map((one) => [one.ids, one.variants.map(({ variant }) => variant)])).toEqual([
      [ids, ['original', 'operated']],
    ]);
    const { tensors } = await library.operate(pocket, edit);
    const session = await library.Runtime.open(pocket, { replaceable: library.touchedBy([edit], pocket.config) });
    for (const [i, weights] of [session.original, session.variant(tensors)].entries()) {
      const logits = await session.sequence(ids.length, weights).readToEnd(ids);
      const largest = Math.max(...logits);
      const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
      const [likeliest] = prompts[0]?.variants[i]?.cells.at(-1)?.at(-1)?.top ?? [];
      expect(likeliest?.id).toBe(logits.indexOf(largest));
      expect(likeliest?.probability).toBeCloseTo(1 / sum, 4);
    }
    await session.close();
    expect(text?.positions).toBe(ids.length - 1);
    expect(text?.profiles.map(({ changes }) => changes?.length)).toEqual([undefined, 7]);
  });

  test('score and lens take texts as their ids', async () => {
    const session = await library.Runtime.open(pocket);
    const ids = tokenizer.encode(prompt);
    expect(await library.score([prompt], { runtime: session })).toEqual(
      await library.score([ids], { runtime: session }),
    );
    await session.close();
    expect(await library.lens(pocket, [prompt], { documents: [prompt] })).toEqual(
      await library.lens(pocket, [ids], { documents: [ids] }),
    );
  });

  test('unlikely: the original, alone or with a variant', async () => {
    const both = await library.unlikely(pocket, [prompt], { recipe: edit, seed: 3 });
    expect(both.map(({ variant, points }) => [variant, points.length])).toEqual([
      ['original', 7],
      ['operated', 7],
    ]);
    expect(both[0]).toEqual((await library.unlikely(pocket, [prompt], { seed: 3 }))[0]);
  });

  test('basis: its directions in order, with the shares of both matrices and of each model’s probe', async () => {
    const texts = ['Once upon a time there was a dog. The dog had a red ball and he was happy. '.repeat(12)];
    const { components, points } = await library.basis(pocket, texts, { recipe: edit, of: 'unembed', components: 3 });
    expect(points).toHaveLength(7);
    expect(components.map(({ component }) => component)).toEqual([1, 2, 3]);
    const [first, second] = components;
    expect(first?.shares.unembed).toBeGreaterThan(second?.shares.unembed ?? 1);
    expect(first?.probe.map(({ variant, points: own }) => [variant, own.length])).toEqual([
      ['original', 7],
      ['operated', 7],
    ]);
  });

  test('sensitivity: each unit alone and all at once, as an experiment scores them', async () => {
    const found = await library.sensitivity(pocket, [prompt], {
      by: 'projection',
      variance: [0.5],
      operation: { layers: [1] },
    });
    const { rows, joint, additivity } = found.sensitivity;
    expect(rows.map(({ targets }) => targets)).toEqual([['q'], ['k'], ['v']]);
    expect(found.cells.map(({ id }) => id).sort()).toEqual([...rows.flatMap(({ cells }) => cells), ...joint].sort());
    const whole = await library.runExperiment(pocket, [[{ kind: 'pca', variance: 0.5, layers: [1] }]], [prompt]);
    expect(found.original).toEqual(whole.original);
    expect(additivity[0]?.joint).toBeCloseTo(whole.cells[0]?.scores.deltaNll ?? 0, 6);
  });

  test('probe: the original, alone or with a variant', async () => {
    const texts = ['Once upon a time there was a dog. The dog had a red ball and he was happy. '.repeat(12)];
    const { variants, points } = await library.probe(pocket, texts, { recipe: edit });
    const alone = await library.probe(pocket, texts);
    expect(points).toHaveLength(7);
    expect(variants[0]).toEqual(alone.variants[0]);
    expect(variants.map(({ variant }) => variant)).toEqual(['original', 'operated']);
  });
});

test('a long text is encoded as far as is wanted', () => {
  const text = 'Once upon a time there was a dog. '.repeat(400);
  const ids = tokenizer.encode(text);
  for (const length of [1, 7, 100, ids.length, ids.length + 1])
    expect(tokenizer.encode(text, length)).toEqual(ids.slice(0, length));
});
