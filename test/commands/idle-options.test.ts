import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { expect, test } from 'vitest';
import {
  basisOptions,
  evalOptions,
  generateOptions,
  inspectOptions,
  lensOptions,
  probeOptions,
  runOptions,
  sensitivityOptions,
  sweepOptions,
} from '../../src/commands/command-options.ts';
import { applyConfig } from '../../src/commands/config.ts';
import { refuseIdle } from '../../src/commands/idle-options.ts';
import { temporaryFolder } from '../support/paths.ts';

const tmp = temporaryFolder();

/** Parses a command line and does what comes before the command: its config file's words. */
function call(line: string): readonly string[] {
  const program = new Command('surgery').exitOverride().configureOutput({ writeErr: () => {} });
  const commands: CommandUnknownOpts[] = [
    runOptions(program.command('run').argument('[kind]')),
    sweepOptions(program.command('sweep').argument('[kind]')),
    sensitivityOptions(program.command('sensitivity')),
    generateOptions(program.command('generate')),
    evalOptions(program.command('eval')),
    inspectOptions(program.command('inspect')),
    lensOptions(program.command('lens')),
    probeOptions(program.command('probe')),
    basisOptions(program.command('basis')),
  ] as never[];
  for (const command of commands) command.action(() => {});
  let words: readonly string[] = [];
  program.hook('preAction', (_, command) => {
    words = applyConfig(program as unknown as CommandUnknownOpts, command).words;
    refuseIdle(command);
  });
  program.parse(line.split(' '), { from: 'user' });
  return words;
}

test.each([
  ['lens --documents 5', '--documents has no effect without --text'],
  ['lens --max-tokens 5 --prompt x', '--max-tokens has no effect without --text'],
  ['lens --full --prompt x', '--full has no effect without --text'],
  ['lens --chunk stream', '--chunk has no effect without --text'],
  ['lens --column a', '--column has no effect without --text'],
  ['inspect --documents 5', '--documents has no effect without --text'],
  ['inspect --text a --mode separate', '--mode has no effect on a text'],
  ['lens --seed 1', '--seed has no effect without --text'],
  ['lens --text a --colour kl', '--colour has no effect on a text'],
  ['lens --text a --raw', '--raw has no effect on a text'],
  ['lens --prompt x --chat-date 2026-01-01', '--chat-date has no effect on prompts that are read verbatim'],
  ['probe --column a', '--column has no effect without --text'],
  ['eval --questions 3', '--questions has no effect without --tasks'],
  ['eval --dtype F16', '--dtype has no effect without an operation'],
  ['probe --pca-engine ml-pca', '--pca-engine has no effect without an operation'],
  ['run zero --mlp 1 --pca-engine ml-pca', '--pca-engine has no effect on a kind that computes no PCA'],
  ['sweep --no-samples --prompt x', '--prompt has no effect with --no-samples'],
  ['sensitivity --no-samples --seed 1', '--seed has no effect with --no-samples'],
  ['generate --temperature 0 --top-p 0.5', '--top-p has no effect at --temperature 0'],
  ['run --no-save --max-shard-size 1GB', '--max-shard-size has no effect with --no-save'],
  ['run --force', '--force has no effect without --output'],
  ['probe --force', '--force has no effect without --output'],
  ['basis --sparsity 4', '--sparsity has no effect on other methods'],
  ['sweep --recipe a.json --controls', '--controls has no effect on recipes alone'],
  ['run --center off --mean drop', '--mean has no effect with --center off'],
  ['run --mode separate --balance', '--balance has no effect where no projections share a PCA'],
  ['run --targets q,o --balance', '--balance has no effect where no projections share a PCA'],
])('%s is refused', (line, words) => {
  expect(() => call(line)).toThrow(words);
});

test.each([
  'lens --text a --documents 5 --seed 1',
  'inspect --text a --documents 5 --chunk stream',
  'inspect --mode shared-qkv --balance --tensors',
  'lens --text a --prompt x --colour kl',
  'lens --prompt x --chat --chat-date 2026-01-01',
  'probe --documents 5 --seed 1',
  'probe --variance 0.9 --dtype F16 --pca-engine ml-pca',
  'eval --text a --column b --tasks c --questions 3 --memory 1GB --base pocket',
  'sweep --tasks c --memory 1GB',
  'eval --tasks a --memory 1GB',
  'eval --precision int8 --memory 1GB --quiet',
  'probe --precision int8 --memory 1GB --quiet',
  'run --precision int8 --memory 1GB --quiet',
  'sweep --no-samples --controls --match width --balance',
  'sweep --recipe a.json --variance 0.9 --controls',
  'sweep --targets gate --mode cross-layer-kv --center off',
  'sensitivity --balance --rank 3',
  'generate --temperature 0 --repetition-penalty 1.2',
  'run --temperature 0.5 --top-p 0.5 --output a --force --max-shard-size 1GB',
  'run --targets k --mode cross-layer-kv --balance',
  'run zero --mlp 1 --dtype F16',
  'basis --method dictionary --sparsity 4',
])('%s is taken', (line) => {
  expect(call(line)).toEqual([]);
});

test('a config file may hold what has no effect in this command: it is passed over, and not recorded', () => {
  const file = join(tmp, 'config.json');
  writeFileSync(file, JSON.stringify({ documents: 5, seed: 3, model: 'pocket', questions: 2 }));
  expect(call(`lens --config ${file}`).join(' ')).toBe('--model pocket');
  expect(call(`lens --text a --config ${file}`).join(' ')).toBe('--documents 5 --seed 3 --model pocket');
  expect(call(`generate --temperature 0 --config ${file}`).join(' ')).toBe('--seed 3 --model pocket');
  expect(call(`eval --tasks a --config ${file}`).join(' ')).toBe('--documents 5 --model pocket --questions 2');
});
