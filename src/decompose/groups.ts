// Which projections share one PCA.
import type { Projection } from '../checkpoint/names.ts';

/** Projections of a layer that are stacked by rows and share one PCA. */
export interface Group {
  /** The projections' letters: `q`, `kv`, … */
  readonly name: string;
  readonly projections: readonly Projection[];
}

export const modes = ['shared-kv', 'separate', 'shared-qkv'] as const;
export type Mode = (typeof modes)[number];

const groupNames: Readonly<Record<Mode, readonly string[]>> = {
  'shared-kv': ['q', 'kv'],
  separate: ['q', 'k', 'v'],
  'shared-qkv': ['qkv'],
};

export function groupsOf(mode: Mode): Group[] {
  return groupNames[mode].map((name) => ({ name, projections: [...name] as Projection[] }));
}
