import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { calibrationInput } from '../../src/commands/calibration.ts';
import { openModel } from '../../src/commands/model.ts';
import { scoringInput } from '../../src/commands/scoring.ts';
import { completeRecipe, type Recipe } from '../../src/operations/recipe.ts';
import { documentsHash } from '../../src/text/token-ids.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel } from '../support/safetensors.ts';

const tmp = temporaryFolder();
const quiet = { quiet: true, offline: true } as const;
type Options = Parameters<typeof calibrationInput>[0];

async function read(
  options: Options,
  recipe: Recipe = [{ kind: 'fit' }],
  scored?: readonly (readonly number[])[],
  ref = 'pocket',
) {
  const model = await openModel(ref, quiet);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const complete = completeRecipe(recipe, model.checkpoint.config);
  return calibrationInput({ ...quiet, ...options }, model, tokenizer, [complete], scored);
}

const refusal = (...given: Parameters<typeof read>) =>
  read(...given).then(
    () => expect.fail('nothing was refused'),
    (error: Error) => error.message,
  );

describe('the calibration text', () => {
  test('of pocket is its training stories, which share nothing with the held-out ones, up to 16,384 tokens', async () => {
    const model = await openModel('pocket', quiet);
    const { documents } = await scoringInput(quiet, model, await Tokenizer.open(model.checkpoint));
    const found = await read({}, undefined, documents);
    expect(found?.info).toMatchObject({ text: "pocket's training stories", tokens: 16_384, maxTokens: 512 });
    expect(found?.info.leak).toBeUndefined();
    expect(found?.info.rule).toBe(
      'each document alone, in windows of at most 512 tokens, BOS first in each; fit reads every position',
    );
    expect(found?.info.documentsSha256).toBe(documentsHash(found?.documents ?? []));
    expect(found?.chosen).toEqual({ '--calibration': 'builtin:pocket-training' });
  });

  test('of another model has to be named; builtin are the passages, and what is too short for a fit says so', async () => {
    const copy = copyModel(pocket, join(tmp, 'copy'));
    expect(await refusal({}, undefined, undefined, copy)).toBe(
      'fit looks at a calibration text: give --calibration FILE, hub:org/dataset, or builtin',
    );
    const { info } = (await read({ calibration: 'builtin', calibrationTokens: 100 }, undefined, [], copy)) ?? {};
    expect(info).toMatchObject({ text: 'the built-in passages', tokens: 100, documents: 1 });
    expect(info?.notes).toEqual([
      '100 tokens of calibration do not span the 128 inputs of a projection: what they do not show is cut by the weights alone.',
    ]);
  });

  test('is not read where no operation looks at one', async () => {
    expect(await read({}, [{ kind: 'pca' }])).toBeUndefined();
    expect(await read({ calibration: join(tmp, 'none.txt') }, [{ kind: 'fit', objective: 'weights' }])).toBeUndefined();
  });

  test('goes on in further windows after the first of a document, BOS first in each, to the last token asked for', async () => {
    const file = join(tmp, 'long.txt');
    writeFileSync(file, `${'Tom saw a red ball. '.repeat(40)}\n<|end|>\nThe end.`);
    const { documents = [], info } = (await read({ calibration: file, maxTokens: 50, calibrationTokens: 130 })) ?? {};
    expect(documents.map(({ length }) => length)).toEqual([50, 50, 30]);
    expect(documents.map(([first]) => first)).toEqual([1, 1, 1]);
    expect(info?.tokens).toBe(130);
    const joined = await read({ calibration: file, maxTokens: 50, calibrationTokens: 1000, chunk: 'stream' });
    expect(joined?.info.rule).toMatch(/^all text joined, in windows of at most 50 tokens/);
  });

  test('can be token ids, of a file that names them or holds nothing else', async () => {
    const [both, alone, other] = [join(tmp, 'ids.json'), join(tmp, 'list.json'), join(tmp, 'other.json')];
    const [calibration, evaluation] = [
      [
        [5, 6, 7, 8],
        [9, 10],
      ],
      [[11, 12, 13]],
    ];
    writeFileSync(both, JSON.stringify({ window: 4, calibration, evaluation }));
    writeFileSync(alone, JSON.stringify(calibration));
    writeFileSync(other, JSON.stringify({ train: calibration }));
    for (const file of [both, alone]) {
      const found = await read({ calibration: file });
      expect(found?.documents).toEqual(calibration);
      expect(found?.info.rule).toBe('token ids as given; fit reads every position');
    }
    const model = await openModel('pocket', quiet);
    const scoring = (options: Parameters<typeof scoringInput>[0]) =>
      Tokenizer.open(model.checkpoint).then((tokenizer) => scoringInput({ ...quiet, ...options }, model, tokenizer));
    expect((await scoring({ text: both })).documents).toEqual(evaluation);
    expect((await scoring({ text: both, column: 'calibration', documents: 1 })).documents).toEqual([[5, 6, 7, 8]]);
    expect(await refusal({ calibration: other })).toBe(
      `${other} holds token ids under train, and none under calibration`,
    );
    await expect(scoring({ text: both, chunk: 'stream' })).rejects.toThrow(/^--chunk stream joins texts, .*ids.json/);
    writeFileSync(alone, '[[5, 1024]]');
    await expect(scoring({ text: alone })).rejects.toThrow(/holds 1024, allowed: token ids from 0 to 1023/);
  });
});

describe('text that is scored', () => {
  const scored = [[1, 4, 5, 6]];
  const file = () => {
    const path = join(tmp, 'leak.json');
    writeFileSync(
      path,
      JSON.stringify([
        [2, 4, 5, 6],
        [1, 9, 9],
      ]),
    );
    return path;
  };

  test('is not calibrated on', async () => {
    expect(await refusal({ calibration: file() }, undefined, scored)).toMatch(
      /^the calibration text and the scored text share 1 document: .*--allow-leak$/,
    );
  });

  test('unless that is allowed, which the result then says', async () => {
    const found = await read({ calibration: file(), allowLeak: true }, undefined, scored);
    expect(found?.info.leak).toBe('the calibration text and the scored text share 1 document');
    expect((await read({ calibration: file(), allowLeak: true }, undefined, [[1, 2]]))?.info.leak).toBeUndefined();
  });
});
