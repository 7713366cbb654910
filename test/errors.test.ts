import { expect, test } from 'vitest';
import { messageOf, SurgeryError, systemMessage } from '../src/errors.ts';

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
