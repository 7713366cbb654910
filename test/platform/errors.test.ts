import { expect, test } from 'vitest';
import { messageOf, refusal, SurgeryError, shown, systemMessage } from '../../src/platform/errors.ts';

test('an error keeps its code and its cause', () => {
  const cause = new Error('deep');
  const error = new SurgeryError('text', 'what, where', cause);
  expect(error).toMatchObject({ code: 'text', message: 'what, where', cause, name: 'SurgeryError' });
  expect(new SurgeryError('text', 'x')).not.toHaveProperty('cause');
});

test('messages are one line, whatever was thrown', () => {
  expect(messageOf(new Error('a\n  b'))).toBe('a b');
  expect(messageOf('plain')).toBe('plain');
  expect(systemMessage(Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC' }))).toBe(
    'no space left on the device',
  );
  expect(systemMessage(Object.assign(new Error('strange'), { code: 'EWHAT' }))).toBe('strange');
});

test('what a file says reaches the terminal as text, and at a readable length', () => {
  expect(messageOf('tensor \u001b[2J\u0007 and \u009b')).toBe('tensor \uFFFD[2J\uFFFD and \uFFFD');
  expect(messageOf('a'.repeat(1e6))).toBe(`${'a'.repeat(2000)}…`);
  expect(shown({ a: [1, 'x'] })).toBe('{"a":[1,"x"]}');
  expect(shown('a'.repeat(100))).toBe(`"${'a'.repeat(79)}…`);
  expect(shown(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)))).toBe('a value nested too deeply');
});

test('what the system refuses is a mistake that names the path, anything else is none', () => {
  const refused = Object.assign(new Error('EMFILE: …'), { code: 'EMFILE', syscall: 'open', path: '/a/b' });
  expect(refusal(refused)).toMatchObject({ code: 'output', cause: refused });
  expect(refusal(refused)?.message).toBe('/a/b: too many files are open (ulimit -n) (open)');
  expect(refusal(new TypeError('a is undefined'))).toBeUndefined();
  expect(refusal(Object.assign(new Error('spawn'), { code: 'E' }))).toBeUndefined();
});
