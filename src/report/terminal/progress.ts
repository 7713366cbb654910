// What is being done, on stderr: bars on a terminal, plain lines elsewhere, nothing with --quiet.
import { atEnd } from '../../platform/shutdown.ts';
import { duration, integer, size } from '../format.ts';

/** Reports how much of a step is done, in fractions of a unit. */
export type Advance = (done: number, total: number) => void;

export interface Timed<T> {
  readonly value: T;
  readonly seconds: number;
}

/** Seconds between plain lines about one step. */
const lineEvery = 5;

/** The display of the current step, removed before the program's last output. */
let current: Display | undefined;
let isOver = false;

atEnd(() => {
  current?.end();
  current = undefined;
  isOver = true;
});

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #quiet: boolean;

  constructor(quiet: boolean, stream: NodeJS.WriteStream = process.stderr) {
    this.#quiet = quiet;
    this.#stream = stream;
  }

  /** A line on its own, such as a notice. */
  say(line: string): void {
    if (!this.#quiet && !isOver) this.#stream.write(`${line}\n`);
  }

  /** Runs a step of the work under a label; `unit` names what its progress counts. */
  async step<T>(label: string, unit: string, work: (advance: Advance) => Promise<T>): Promise<Timed<T>> {
    const start = performance.now();
    const display = await this.#display(label, unit);
    const before = current;
    current = display;
    const end = (line?: string) => {
      current = before;
      if (!isOver) display.end(line);
    };
    try {
      const value = await work((done, total) => {
        if (!isOver) display.advance(done, total);
      });
      const seconds = (performance.now() - start) / 1000;
      end(`${label}: ${duration(seconds)}`);
      return { value, seconds };
    } catch (error) {
      end();
      throw error;
    }
  }

  async #display(label: string, unit: string): Promise<Display> {
    if (this.#quiet || isOver) return silent;
    return this.#stream.isTTY ? bar(this.#stream, label, unit) : lines(this.#stream, label, unit);
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
    format: `${label} {bar} {amount}`,
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
      const text = { amount: amount(done, total, unit, start) };
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
      stream.write(`${label}: ${amount(done, total, unit, start)}\n`);
    },
    end: (line) => {
      if (line) stream.write(`${line}\n`);
    },
  };
}

/** A time that is not measured but expected: in whole seconds, from a minute on in whole minutes. */
function roughly(seconds: number): string {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** How much is done, and the time left if it goes on as on average since the step began. */
function amount(done: number, total: number, unit: string, start: number): string {
  const rate = done / Math.max((performance.now() - start) / 1000, 1e-3); // in a second
  const left = done > 0 && done < total ? `, ${roughly((total - done) / rate)} left` : '';
  if (unit === 'bytes') return `${size(done)} of ${size(total)}, ${size(Math.round(rate))}/s${left}`;
  const shown = Number.isInteger(done) ? integer(done) : done.toFixed(1);
  return `${shown} of ${integer(total)} ${unit}${left}`;
}
