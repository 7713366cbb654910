// Small pictures for a terminal, made of block characters.
import { itemAt } from '../../platform/indexing.ts';

const steps = ' ▁▂▃▄▅▆▇█';
const eighths = ' ▏▎▍▌▋▊▉█';

/** Values between 0 and 1 as a row of columns of rising height, resampled to `width`. */
export function sparkline(values: readonly number[], width: number): string {
  return Array.from({ length: width }, (_, i) => {
    const value = values[Math.min(values.length - 1, Math.floor(((i + 0.5) * values.length) / width))] ?? 0;
    return steps[Math.round(clamp(value) * (steps.length - 1))];
  }).join('');
}

/** A share between 0 and 1 as a bar of at most `width` characters, padded to it. */
export function bar(share: number, width: number): string {
  const filled = Math.round(clamp(share) * width * 8);
  const whole = Math.floor(filled / 8);
  const rest = filled % 8 ? itemAt(eighths, filled % 8) : '';
  return ('█'.repeat(whole) + rest).padEnd(width);
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
