import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { commandLine, quoted, wordsOf } from '../../src/platform/command-line.ts';

test('a word with blanks or quotes is given as a shell wants it', () => {
  expect(['a/b-c@1', 'my model', "it's"].map(quoted)).toEqual(['a/b-c@1', "'my model'", "'it'\\''s'"]);
});

test('a shell splits a command line into the words that it is made of', () => {
  const words = ['', 'a b', "it's", '"$HOME"', '`id`', '*', '~', 'x\ny', '\\', '!', '#', '--text=ä ö', '-'];
  const read = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${commandLine(words)}`], { encoding: 'utf8' });
  expect(read.split('\0').slice(0, -1)).toEqual(words);
  expect(wordsOf(commandLine(words))).toEqual(words);
});
