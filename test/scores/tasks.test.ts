// Questions as token ids, and what cannot be one.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { encodeTasks } from '../../src/scores/tasks.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

test('a choice that the tokenizer makes nothing of is refused, for its empty score would win', async () => {
  const strip = { normalizer: { type: 'Strip', strip_left: false, strip_right: true } };
  const folder = copyModel(fixture('qwen2-bias-f32'), join(temporaryFolder(), 'strip'), {
    'tokenizer.json': merge(strip),
  });
  const tokenizer = await Tokenizer.open(await Checkpoint.open(folder));
  const question = { task: 'a', context: 'The sea', choices: [' is blue', ' '], answer: 0 };
  await expect(encodeTasks([question], 'tasks.jsonl', tokenizer, 128)).rejects.toThrow(
    /^tasks.jsonl: question 1: choice 2, " ", adds no token to the context: leave the question out$/,
  );
});
