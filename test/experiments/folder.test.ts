import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { differencesOf, readStudyFolder, StudyFolder } from '../../src/experiments/folder.ts';
import { temporaryFolder } from '../support/paths.ts';
import { cell, twoDocuments } from '../support/studies.ts';

const tmp = temporaryFolder();
let made = 0;
let path = '';
beforeEach(() => {
  path = join(tmp, String(made++), 'study');
});

const one = cell('one', { mode: 'shared-kv', variance: 0.9, mean: 'keep' });
const two = cell('two', { mode: 'separate', variance: 0.9, mean: 'keep' }, { kl: [0.1 + 0.2, 1e-9] });
const three = cell('three', { mode: 'separate', rank: 3, mean: 'drop' });
const file = () => join(path, 'cells.jsonl');
const lines = () => readFileSync(file(), 'utf8').split('\n');

/** A folder with a study and two cells, closed again. */
async function twoCells(): Promise<void> {
  const folder = await StudyFolder.open(path);
  await folder.write(twoDocuments(['one', 'two']));
  await folder.add(one);
  await folder.add(two);
  await folder.close();
}

async function reopened(): Promise<Map<string, unknown>> {
  const folder = await StudyFolder.open(path);
  await folder.close();
  return folder.cells;
}

test('cells are there again when the folder is opened next, to the last digit', async () => {
  await twoCells();
  const folder = await StudyFolder.open(path);
  expect([...folder.cells]).toEqual([
    ['one', one],
    ['two', two],
  ]);
  expect(folder.study).toEqual(twoDocuments(['one', 'two']));
  await expect(StudyFolder.open(path)).rejects.toThrow(`in use by process ${process.pid}`);
  await folder.close();
  expect(readdirSync(path).sort()).toEqual(['cells.jsonl', 'study.json']);
  expect(await readStudyFolder(path)).toEqual({ study: twoDocuments(['one', 'two']), cells: folder.cells });
});

test.each([1, 40, -1])(
  'a last line that was cut off is taken away, and the next cell is a line of its own: %d',
  async (end) => {
    await twoCells();
    // An é is two bytes: it may be torn as well.
    appendFileSync(file(), Buffer.from(JSON.stringify({ ...three, note: 'é'.repeat(50) })).subarray(0, end));
    expect((await readStudyFolder(path)).cells.size).toBe(2); // reading alone changes nothing
    expect(lines().at(-1)).not.toBe('');
    const folder = await StudyFolder.open(path);
    expect([...folder.cells.keys()]).toEqual(['one', 'two']);
    await folder.add(three);
    await folder.close();
    expect(lines().map((line) => (line ? JSON.parse(line).id : line))).toEqual(['one', 'two', 'three', '']);
    expect((await reopened()).get('three')).toEqual(three);
  },
);

test('a whole last line without an end is made again', async () => {
  await twoCells();
  writeFileSync(file(), readFileSync(file(), 'utf8').trimEnd());
  expect([...(await reopened()).keys()]).toEqual(['one']);
});

const ofText = { ...two, byDocument: { ...two.byDocument, nll: ['20', 40] } };
const ofOne = { ...two, byDocument: { tokens: [10], nll: [20], kl: [1] } };
test.each([
  ['{"id":"tw', /^is not a cell: .*JSON.*$/],
  ['', /^is not a cell: .*JSON.*$/],
  ['null', /^is not a cell: .*expected object, received null$/],
  ['{"id":"two"}', /^is not a cell, at recipe: .*expected array, received undefined$/],
  [JSON.stringify(ofText), /^is not a cell, at byDocument\.nll\.0: .*expected number, received "20"$/],
  [JSON.stringify(ofOne), /^is not a cell of its study, at byDocument: expected 2 documents .*, received 1$/],
])('a line in the middle that says %j is named by its number and the place in it', async (bad, why) => {
  await twoCells();
  const [first = '', second = ''] = lines();
  writeFileSync(file(), `${first}\n${bad}\n${second}\n`);
  const refusal = await StudyFolder.open(path).catch((error) => error);
  expect(refusal).toMatchObject({ name: 'SurgeryError', code: 'output' });
  const [where, remedy] = [`${file()}, line 2 `, ': remove the line, and it is made again'];
  expect([refusal.message.startsWith(where), refusal.message.endsWith(remedy)]).toEqual([true, true]);
  expect(refusal.message.slice(where.length, -remedy.length)).toMatch(why);
  await expect(readStudyFolder(path)).rejects.toThrow(refusal.message);
  // And the folder is free again.
  writeFileSync(file(), `${first}\n${second}\n`);
  expect((await reopened()).size).toBe(2);
});

test('a study whose cells are not all there is not complete, whatever it says', async () => {
  await twoCells();
  writeFileSync(join(path, 'study.json'), JSON.stringify(twoDocuments(['one', 'two'], { complete: true })));
  expect((await readStudyFolder(path)).study.complete).toBe(true);
  writeFileSync(file(), `${lines()[0]}\n`);
  expect((await readStudyFolder(path)).study.complete).toBe(false);
});

describe('refused', () => {
  test("other files than a study's, which stay", async () => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'thesis.txt'), 'mine');
    await expect(StudyFolder.open(path)).rejects.toMatchObject({
      code: 'output',
      message: `${path} holds other files than a study's: name a new folder`,
    });
    expect(readdirSync(path)).toEqual(['thesis.txt']);
  });

  test('a file in place of the folder', async () => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'mine');
    await expect(StudyFolder.open(path)).rejects.toThrow(`${path} cannot be written`);
  });

  const pairs = [{ rule: 'width', cell: 'one', partner: 'three', difference: null, met: null }] as const;
  test.each([
    ['{', /study\.json is not valid JSON: /],
    ['{"schema":2,"cells":[]}', /study\.json is not a study that this version reads, at format: /],
    ['{"format":4,"cells":[]}', /study\.json is not a study that this version reads, at format: /],
    ['{"schema":1}', /study\.json is not a study that this version reads, at kind: /],
    ['null', /study\.json is not a study that this version reads: /],
    [
      JSON.stringify(twoDocuments(['one', 'two'], { pairs })),
      /, at pairs\.0\.partner: .*the study's cells, received "three": /,
    ],
  ])('a study.json that says %j', async (text, message) => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'study.json'), text);
    for (const read of [StudyFolder.open, readStudyFolder])
      await expect(read(path)).rejects.toMatchObject({ code: 'output', message: expect.stringMatching(message) });
  });

  test('reading a folder that holds no study', async () => {
    await expect(readStudyFolder(path)).rejects.toThrow(`${path} holds no study`);
    expect(existsSync(path)).toBe(false);
    const part = await StudyFolder.open(`${path}-of-2`);
    await part.write(twoDocuments(['one']));
    await part.close();
    await expect(readStudyFolder(path)).rejects.toThrow(`a study.json, such as ${path}-of-2`);
  });
});

test('writing the study puts its cells in order, and those of other grids last', async () => {
  const folder = await StudyFolder.open(path);
  await folder.write(twoDocuments(['one', 'two', 'three']));
  for (const each of [three, { ...one, id: 'z' }, two, { ...one, id: 'a' }, one]) await folder.add(each);
  const before = readFileSync(file(), 'utf8');
  await folder.write(twoDocuments(['one', 'missing', 'two', 'three']));
  const order = ['one', 'two', 'three', 'a', 'z'];
  expect([...folder.cells.keys()]).toEqual(order);
  expect(lines().map((line) => (line ? JSON.parse(line).id : line))).toEqual([...order, '']);
  expect(lines().sort()).toEqual(before.split('\n').sort());
  await folder.close();
  expect([...(await reopened()).keys()]).toEqual(order);
});

test('the cells are in order before study.json says that it is complete', async () => {
  const folder = await StudyFolder.open(path);
  for (const each of [two, one]) await folder.add(each);
  mkdirSync(join(path, 'study.json')); // so that writing it fails, as it would where the process ends there
  await expect(folder.write(twoDocuments(['one', 'two'], { complete: true }))).rejects.toThrow(
    'study.json cannot be written',
  );
  expect(lines().map((line) => (line ? JSON.parse(line).id : line))).toEqual(['one', 'two', '']);
  await folder.close();
});

test('scratch files and half-written ones go when the folder is opened next', async () => {
  await twoCells();
  const folder = await StudyFolder.open(path);
  const scratch = folder.scratch('logits');
  expect(join(scratch, '..')).toBe(path);
  writeFileSync(scratch, 'x');
  await folder.close();
  writeFileSync(join(path, '.study.json.123.abc.tmp'), '{');
  writeFileSync(join(path, '.keep'), 'mine');
  await reopened();
  expect(readdirSync(path).sort()).toEqual(['.keep', 'cells.jsonl', 'study.json']);
});

test('studies share a folder that have their kind and all but the grid in common', () => {
  const a = twoDocuments(['one']);
  const reversed = Object.fromEntries(Object.entries(a.context).reverse()) as unknown as typeof a.context;
  expect(differencesOf(a, twoDocuments(['two', 'three'], { context: reversed, command: 'another' }))).toEqual([]);
  expect(differencesOf(a, { ...a, kind: 'sensitivity' })).toEqual(['kind (sweep, here sensitivity)']);
  const context = { ...a.context, documents: 'f'.repeat(64), precision: 'int8', versions: { surgery: '2' } };
  expect(differencesOf(a, { ...a, context, text: { ...a.text, text: 'other.txt' } })).toEqual([
    'versions.surgery (1, here 2)',
    'precision (fp32, here int8)',
    'text (text.txt b, here other.txt ffffffff…)',
  ]);
  const sampling = { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1, seed: 0, maxNewTokens: 4 };
  const drawn = { ...a, context: { ...a.context, sampling } };
  expect(differencesOf(a, drawn)).toEqual(['sampling (none, here some)']);
  const another = { ...a, context: { ...a.context, sampling: { ...sampling, seed: 1 } } };
  expect(differencesOf(drawn, another)).toEqual(['sampling.seed (0, here 1)']);
});

test('what is given up before its first cell leaves no folder, and nothing else is taken away', async () => {
  const folder = await StudyFolder.open(path);
  await folder.write(twoDocuments(['one']));
  await folder.discard();
  expect(existsSync(path)).toBe(false);

  const full = await StudyFolder.open(path); // a disk that has no room for the first cell
  await full.write(twoDocuments(['one']));
  writeFileSync(join(path, 'cells.jsonl'), '{"id":"one","rec');
  await full.discard();
  expect(existsSync(path)).toBe(false);

  const kept = await StudyFolder.open(path);
  await kept.write(twoDocuments(['one']));
  await kept.close();
  const again = await StudyFolder.open(path);
  await again.discard();
  expect(existsSync(join(path, 'study.json'))).toBe(true);
});
