// The part of a study that this machine computes.
import { SurgeryError } from '../platform/errors.ts';

/** Part `index` of `of`, counted from 0. */
export interface StudyPart {
  readonly index: number;
  readonly of: number;
}

/** The cells of one part: every `of`-th, so that all parts cost about the same. */
export function ownCells(ids: readonly string[], shard: StudyPart = { index: 0, of: 1 }): string[] {
  return ids.filter((_, i) => i % shard.of === shard.index);
}

export function isPart(shard: StudyPart | undefined): shard is StudyPart {
  return shard !== undefined && shard.of > 1;
}

/** Name of a part's folder. */
export function partName({ index, of }: StudyPart): string {
  return `part-${index + 1}-of-${of}`;
}

/** "2/8", counted from 1. @throws SurgeryError `usage` */
export function parseShard(text: string): StudyPart {
  const [, index, of] = /^\s*(\d{1,6})\s*\/\s*(\d{1,6})\s*$/.exec(text) ?? [];
  if (index === undefined || Number(index) < 1 || Number(index) > Number(of))
    throw new SurgeryError('usage', `--shard is ${JSON.stringify(text)}, allowed: i/n with i from 1 to n, such as 2/8`);
  return { index: Number(index) - 1, of: Number(of) };
}

/**
 * The part given by a job array's environment: Slurm array tasks, counted from SLURM_ARRAY_TASK_MIN, or the completions of
 * a Kubernetes indexed Job, which does not set JOB_COMPLETIONS itself.
 * @throws SurgeryError `usage` for inconsistent numbers
 */
export function shardFromEnvironment(env: NodeJS.ProcessEnv): StudyPart | undefined {
  const number = (name: string) => {
    const text = env[name];
    if (text === undefined || text === '') return undefined;
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new SurgeryError(
      'usage',
      `${name} is ${JSON.stringify(text)}, which is not a whole number: give --shard i/n`,
    );
  };
  const task = number('SLURM_ARRAY_TASK_ID');
  const tasks = number('SLURM_ARRAY_TASK_COUNT');
  if (task !== undefined && tasks !== undefined) {
    const [least = 0, step = 1] = [number('SLURM_ARRAY_TASK_MIN'), number('SLURM_ARRAY_TASK_STEP')];
    return checked((task - least) / step, tasks, `SLURM_ARRAY_TASK_ID ${task}, of ${tasks} from ${least} on`);
  }
  const completion = number('JOB_COMPLETION_INDEX');
  if (completion === undefined) return undefined;
  const completions = number('JOB_COMPLETIONS');
  if (completions === undefined)
    throw new SurgeryError(
      'usage',
      'JOB_COMPLETION_INDEX is set but not JOB_COMPLETIONS: set it to the number of parts, or give --shard i/n',
    );
  return checked(completion, completions, `JOB_COMPLETION_INDEX ${completion} of ${completions}`);
}

function checked(index: number, of: number, what: string): StudyPart {
  if (Number.isInteger(index) && index >= 0 && index < of) return { index, of };
  throw new SurgeryError('usage', `${what} is no part of a whole: give --shard i/n`);
}
