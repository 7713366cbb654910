// The families from the command line: a run whose written checkpoint is the family's still, scores that say the BOS rule.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { surgery } from '../support/cli.ts';
import { golden } from '../support/goldens.ts';
import { fixture, temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();
const text = join(tmp, 'text.txt');
writeFileSync(text, 'The cat was in the box.\n<|end|>\nThere are three of them in the tree.');

describe.each([
  { name: 'mistral-window-bf16', architecture: 'MistralForCausalLM', rule: 'BOS first' },
  { name: 'qwen2-bias-f32', architecture: 'Qwen2ForCausalLM', rule: "no BOS, as the model's tokenizer adds none" },
])('$name', ({ name, architecture, rule }) => {
  test('run: the default prompt in its own chat, biases and all else as they were', async () => {
    const output = join(tmp, name);
    const args = ['run', '--model', fixture(name), '--variance', '0.5', '--targets', 'q,k,v,o', '--text', text];
    const { code, stderr } = await surgery([...args, '--max-new-tokens', '4', '--output', output, '--quiet']);
    expect([code, stderr]).toEqual([0, '']);
    const result = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
    expect(result.model.architecture).toBe(architecture);
    expect(result.text.rule).toContain(rule);
    const { chat } = golden<{ chat: { text: string } }>(fixture(name), 'golden.json');
    expect(result.original.samples[0].prompt.slice(0, 8)).toBe(chat.text.slice(0, 8));
    const [before, after] = [await Checkpoint.open(fixture(name)), await Checkpoint.open(join(output, 'model'))];
    const changed: string[] = [];
    for (const tensor of before.tensors.keys())
      if (Buffer.compare(await before.readBytes(tensor), await after.readBytes(tensor)) !== 0) changed.push(tensor);
    expect(changed).toHaveLength(2 * 4);
    expect(changed.filter((tensor) => !/self_attn\.[qkvo]_proj\.weight$/.test(tensor))).toEqual([]);
    expect(after.config).toEqual(before.config);
  });
});

test('a model without a BOS refuses an empty prompt', async () => {
  const { code, stderr } = await surgery(['generate', '--model', fixture('qwen2-bias-f32'), '--raw', '--prompt', '']);
  expect(stderr).toMatch(
    /^surgery: the prompt is empty and this model's texts begin with no BOS token: give some text\n$/,
  );
  expect(code).toBe(2);
});
