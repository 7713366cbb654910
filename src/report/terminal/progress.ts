// What is being done, on stderr: bars on a terminal, plain lines elsewhere, nothing with --quiet.
import { duration, integer, size } from '../format.ts';

/** Tells how much of a step is done, a part of one of its units included. */
export type Advance = (done: number, total: number) => void;

export interface Timed<T> {
  readonly value: T;
  readonly seconds: number;
}

/** Seconds between plain lines about one step. */
const lineEvery = 5;

/** Seconds after which a plain line states the time left of a step; that of bytes always does. */
const worthTelling = 60;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #quiet: boolean;

  constructor(quiet: boolean, stream: NodeJS.WriteStream = process.stderr) {
    this.#quiet = quiet;
    this.#stream = stream;
  }

  /** A line on its own, such as a notice. */
  say(line: string): void {
    if (!this.#quiet) this.#stream.write(`${line}\n`);
  }

  /** Runs a step of the work under a label; `unit` names what its progress counts. */
  async step<T>(label: string, unit: string, work: (advance: Advance) => Promise<T>): Promise<Timed<T>> {
    const start = performance.now();
    const display = this.#quiet
      ? silent
      : this.#stream.isTTY
        ? await bar(this.#stream, label, unit)
        : lines(this.#stream, label, unit);
    try {
      const value = await work(display.advance);
      const seconds = (performance.now() - start) / 1000;
      display.end(`${label}: ${duration(seconds)}`);
      return { value, seconds };
    } catch (error) {
      display.end();
      throw error;
    }
  }
}

interface Display {
  readonly advance: Advance;
  /** Takes the display down, and leaves a line if the step came to its end. */
  readonly end: (line?: string) => void;
}

const silent: Display = { advance: () => {}, end: () => {} };

async function bar(stream: NodeJS.WriteStream, label: string, unit: string): Promise<Display> {
  const { SingleBar } = await import('cli-progress'); // loaded where there is a terminal to draw on
  const single = new SingleBar({
    stream,
    format: `${label} {bar} {amount}, {eta_formatted} left`,
    barsize: 20,
    hideCursor: true,
    clearOnComplete: true,
    // A step that blocks the event loop is drawn by its own calls, not by a timer.
    synchronousUpdate: true,
  });
  let started = false;
  const start = performance.now();
  stream.write(`${label} …`);
  const clear = () => stream.write('\r\x1b[K');
  return {
    advance: (done, total) => {
      const text = { amount: amount(done, total, unit, rateOf(done, start)) };
      if (!started) {
        clear();
        single.start(total, done, text);
      }
      started = true;
      single.setTotal(total);
      single.update(done, text);
    },
    end: (line) => {
      if (started) single.stop();
      else clear();
      if (line) stream.write(`${line}\n`);
    },
  };
}

function lines(stream: NodeJS.WriteStream, label: string, unit: string): Display {
  const start = performance.now();
  let last = start;
  stream.write(`${label} …\n`);
  return {
    advance: (done, total) => {
      const now = performance.now();
      if (now - last < lineEvery * 1000) return;
      last = now;
      const rate = rateOf(done, start);
      const seconds = rate > 0 ? (total - done) / rate : 0;
      const left = seconds > 0 && (unit === 'bytes' || seconds >= worthTelling) ? `, ${duration(seconds)} left` : '';
      stream.write(`${label}: ${amount(done, total, unit, rate)}${left}\n`);
    },
    end: (line) => {
      if (line) stream.write(`${line}\n`);
    },
  };
}

/** What is done in a second, on average since the step began. */
function rateOf(done: number, start: number): number {
  return done / Math.max((performance.now() - start) / 1000, 1e-3);
}

function amount(done: number, total: number, unit: string, rate: number): string {
  if (unit === 'bytes') return `${size(done)} of ${size(total)}, ${size(Math.round(rate))}/s`;
  const shown = Number.isInteger(done) ? integer(done) : done.toFixed(1);
  return `${shown} of ${integer(total)} ${unit}`;
}
