import { expect, test } from 'vitest';
import { pasteable, programName } from '../../src/platform/program.ts';

const named = (file: string, env: Record<string, string> = {}) =>
  programName({ argv: ['/bin/node', file], env: { PATH: '/usr/bin:/opt/bin', ...env }, cwd: () => '/home/me/surgery' });

test('the program has the name that it was started by', () => {
  const npx = { npm_lifecycle_event: 'npx' };
  expect(named('/home/me/.npm/_npx/5e1f/node_modules/.bin/surgery', npx)).toBe('npx surgery');
  expect(named('/opt/bin/surgery')).toBe('surgery');
  expect(named('/home/me/surgery/dist/cli.js')).toBe('node dist/cli.js');
  expect(named('/home/me/surgery/dist/cli.js', npx)).toBe('node dist/cli.js'); // started by another program under npx
  expect(named('/elsewhere/node_modules/.bin/surgery')).toBe('node /elsewhere/node_modules/.bin/surgery');
  expect(named('/with blanks/dist/cli.js')).toBe("node '/with blanks/dist/cli.js'");
});

test('a long command is cut before its options, as a shell reads it', () => {
  const words = 'eval --text hub:Salesforce/wikitext/wikitext-2-raw-v1 --chunk stream --documents 8';
  expect(pasteable('doctor', 0, 'npx surgery')).toBe('npx surgery doctor');
  const text = pasteable(words, 2, 'node dist/cli.js');
  expect(text.replaceAll(/ \\\n +/g, ' ')).toBe(`node dist/cli.js ${words}`);
  expect(text.split('\n').length).toBe(2);
  expect(Math.max(...text.split('\n').map((line, i) => line.length + (i === 0 ? 2 : 0)))).toBeLessThanOrEqual(80);
});
