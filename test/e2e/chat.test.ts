// Conversations and system messages as a user gives them, by the built program.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Message } from '../../src/text/chat.ts';
import { expectRemade, surgery } from '../support/cli.ts';
import { fixture, pocket, temporaryFolder } from '../support/paths.ts';
import { copyModel, merge } from '../support/safetensors.ts';

interface Answers {
  readonly model: string;
  readonly answers: readonly { readonly messages: readonly Message[]; readonly ids: readonly number[] }[];
}

const tmp = temporaryFolder();
const { model, answers }: Answers = JSON.parse(readFileSync(join(fixture('chat'), 'answers.json'), 'utf8'));
const chat = join(tmp, 'chat.json');
writeFileSync(chat, JSON.stringify(answers.map(({ messages }) => messages)));
const greedy = ['--temperature', '0', '--max-new-tokens', '8', '--threads', '1', '--json', '--quiet'];
const idsOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout).samples.map(({ ids }: { ids: number[] }) => ids);

test('greedy answers are those of transformers: --prompt, --system, --chat', async () => {
  const generate = (...more: string[]) => surgery(['generate', '--model', fixture(model), ...greedy, ...more]);
  const [plain, brief] = answers;
  expect(idsOf(await generate('--prompt', 'The cat'))).toEqual([plain?.ids]);
  const asked = await generate('--prompt', 'The cat', '--system', 'Be brief.');
  expect(idsOf(asked)).toEqual([brief?.ids]);
  expect(JSON.parse(asked.stdout).sampling).toMatchObject({ system: 'Be brief.' });
  expect(idsOf(await generate('--chat', chat))).toEqual(answers.map(({ ids }) => ids));
  // What is printed is what the model read, with the template's markers.
  const [sample] = JSON.parse(asked.stdout).samples;
  const printed = await surgery([
    'generate',
    '--model',
    fixture(model),
    ...greedy.filter((one) => one !== '--json'),
    '--prompt',
    'The cat',
    '--system',
    'Be brief.',
  ]);
  expect(printed.stdout).toBe(`${sample.prompt}${sample.completion}\n`);
  expect(sample.prompt).toMatch(/<\|?\w+/);
});

const template = '{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}';
const small = ['--documents', '2', '--max-tokens', '16', '--max-new-tokens', '2', '--threads', '1', '--quiet'];
const study = ['sweep', '--variance', '0.5', '--mode', 'shared-kv', ...small];

test('a study keeps its system message, shows it, and is not mixed with one of another', async () => {
  const chatty = copyModel(pocket, join(tmp, 'model'), { 'tokenizer_config.json': merge({ chat_template: template }) });
  const output = join(tmp, 'study');
  const make = (...more: string[]) => surgery([...study, '--model', chatty, '--output', output, ...more]);
  const first = await make('--system', 'Tell a story.', '--prompt', 'Go.');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toContain('The chat template writes no BOS');
  const written = () => Object.fromEntries(readdirSync(output).map((name) => [name, readFileSync(join(output, name))]));
  const before = written();
  const { context, notes, original } = JSON.parse(`${before['study.json']}`);
  expect(context.sampling.system).toBe('Tell a story.');
  expect(notes).toEqual([expect.stringContaining('wrapped'), expect.stringContaining('writes no BOS')]);
  expect(original.samples[0].prompt).toBe('<system>Tell a story.</><user>Go.</>');
  for (const words of ['System message: “Tell a story.”.', 'The chat template writes no BOS'])
    expect(`${before['report.html']}`).toContain(words);
  await expectRemade(output);
  expect(await make('--system', 'Tell a story.', '--prompt', 'Go.')).toMatchObject({ code: 0 });
  expect(written()).toEqual(before);
  for (const other of [
    ['--system', 'Tell a tale.', '--prompt', 'Go.'],
    ['--prompt', 'Go.'],
    ['--chat', chat],
  ]) {
    const { code, stderr } = await make(...other);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^surgery: .* holds a study with another .*\n$/),
    });
  }
  expect(written()).toEqual(before);
});

test('a run keeps what its prompts were put into the template with, and its page is made again', async () => {
  const output = join(tmp, 'run');
  const { code, stdout } = await surgery([
    'run',
    '--model',
    fixture(model),
    '--variance',
    '0.5',
    '--no-save',
    ...small,
    '--output',
    output,
    '--chat',
    chat,
  ]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/Conversations of a file \(SHA-256 [\da-f]{16}…\)\./);
  const { sampling, original, cell } = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  expect(sampling.chat).toMatch(/^[\da-f]{64}$/);
  for (const { samples } of [original, cell]) expect(samples).toHaveLength(answers.length);
  await expectRemade(output);
});

test('a lens reads a prompt as it is; --chat and --system wrap it in the template', async () => {
  const lens = async (...more: string[]) =>
    JSON.parse(
      (await surgery(['lens', '--model', fixture(model), '--top-tokens', '1', '--json', '--quiet', ...more])).stdout,
    );
  const ofPrompt = async (...more: string[]) => lens('--prompt', 'The cat', ...more);
  const [plain, wrapped, asked] = [await ofPrompt(), await ofPrompt('--chat'), await ofPrompt('--system', 'Be brief.')];
  expect(plain.prompts[0].prompt).toBe('The cat');
  expect(plain.notes).toContain("Prompts are used verbatim, not in the model's chat template.");
  expect(plain.notes).toContain('--chat wraps prompts in the chat template.');
  expect(wrapped.prompts[0].prompt).toContain('The cat');
  expect(wrapped.prompts[0].ids.length).toBeGreaterThan(plain.prompts[0].ids.length);
  expect(wrapped.command).toMatch(/ --chat( |$)/);
  expect(asked.prompts[0].prompt).toContain('Be brief.');
  expect((await lens('--chat', chat)).prompts).toHaveLength(answers.length);
});
