// Scores variants against the original's predictions, which are computed once and stored in a scratch file.

import type { Experiment, Seconds } from '../experiments/run-cells.ts';
import { removeAtExit } from '../platform/atomic-files.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { Recording } from '../scores/recording.ts';

/**
 * Computes the original's predictions, stores them while `use` runs, and then deletes them.
 * @param file path of the scratch file
 */
export async function withRecording<T>(
  experiment: Omit<Experiment, 'recording'>,
  file: string,
  progress: Progress,
  use: (experiment: Experiment, seconds: Seconds) => Promise<T>,
): Promise<{ result: T; seconds: Seconds }> {
  const { runtime, measurement } = experiment;
  const forget = removeAtExit(file);
  try {
    const { value: recording, seconds: score } = await progress.step('Scoring the original', 'tokens', (advance) =>
      Recording.make(file, measurement.documents, { runtime }, advance),
    );
    const seconds: Seconds = { decompose: 0, score, generate: 0, answer: 0 };
    try {
      return { result: await use({ ...experiment, recording }, seconds), seconds };
    } finally {
      await recording.close();
    }
  } finally {
    forget();
  }
}
