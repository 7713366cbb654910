import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Progress } from '../../../src/report/terminal/progress.ts';

/** A stream that keeps what is written; a terminal or not. */
function sink(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), {
    isTTY,
    columns: 80,
    cursorTo: () => true,
    clearLine: () => true,
    moveCursor: () => true,
  });
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const work = async (advance: (done: number, total: number) => void) => {
  for (let i = 1; i <= 12; i++) {
    vi.advanceTimersByTime(1000);
    advance(i, 12);
  }
  return 'value';
};

describe('elsewhere than on a terminal', () => {
  test('a line every five seconds and one at the end; the value and the seconds come back', async () => {
    const { stream, text } = sink(false);
    expect(await new Progress(false, stream).step('Working', 'layers', work)).toEqual({ value: 'value', seconds: 12 });
    expect(text()).toBe(
      'Working …\nWorking: 5 of 12 layers, 7 s left\nWorking: 10 of 12 layers, 2 s left\nWorking: 12.0 s\n',
    );
  });

  test('fractions of a unit are shown, and the time left', async () => {
    const { stream, text } = sink(false);
    await new Progress(false, stream).step('Working', 'points', async (advance) => {
      for (const done of [1.25, 22.5]) {
        vi.advanceTimersByTime(50_000);
        advance(done, 23);
      }
    });
    expect(text()).toContain('Working: 1.3 of 23 points, 15 min left\nWorking: 22.5 of 23 points, 3 s left\n');
  });

  test('a step that fails leaves no line that says it was done', async () => {
    const { stream, text } = sink(false);
    await expect(
      new Progress(false, stream).step('Working', 'layers', async () => Promise.reject(new Error('no'))),
    ).rejects.toThrow('no');
    expect(text()).toBe('Working …\n');
  });
});

test('a terminal gets a bar with time left, then one line', async () => {
  const { stream, text } = sink(true);
  await new Progress(false, stream).step('Working', 'layers', work);
  expect(text()).toMatch(/Working .* of 12 layers, .* left/);
  expect(text()).toMatch(/Working: 12\.0 s\n$/);
});

test('no time is left to tell before anything is done', async () => {
  const { stream, text } = sink(true);
  await new Progress(false, stream).step('Working', 'layers', async (advance) => advance(0, 12));
  expect(text()).toMatch(/Working -+ 0 of 12 layers/);
  expect(text()).not.toMatch(/left|NULL/);
});

test('nothing is drawn once the program is ending', async () => {
  vi.resetModules();
  const { Progress: Own } = await import('../../../src/report/terminal/progress.ts');
  const { tidyUp } = await import('../../../src/platform/shutdown.ts');
  const { stream, text } = sink(true);
  const progress = new Own(false, stream);
  let before = '';
  await progress.step('Working', 'layers', async (advance) => {
    advance(1, 12);
    tidyUp();
    before = text();
    advance(2, 12);
    progress.say('a notice');
    await progress.step('Another', 'layers', work);
  });
  expect(before).toMatch(/1 of 12 layers/);
  // The cursor and line wrapping, which the bar turned off, are back.
  expect(before.lastIndexOf('\x1b[?25h')).toBeGreaterThan(before.lastIndexOf('\x1b[?25l'));
  expect(before.lastIndexOf('\x1b[?7h')).toBeGreaterThan(before.lastIndexOf('\x1b[?7l'));
  expect(text()).toBe(before);
});

test('bytes are shown as sizes', async () => {
  const { stream, text } = sink(false);
  await new Progress(false, stream).step('Writing', 'bytes', async (advance) => {
    vi.advanceTimersByTime(6000);
    advance(1_189_171_200, 2_200_096_768);
  });
  expect(text()).toContain('Writing: 1.19 GB of 2.20 GB, 198 MB/s, 6 s left\n');
});

test('--quiet says nothing at all', async () => {
  const { stream, text } = sink(true);
  const progress = new Progress(true, stream);
  progress.say('notice');
  await progress.step('Working', 'layers', work);
  expect(text()).toBe('');
});
