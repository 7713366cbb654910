// Which projections, or heads of them, share one PCA.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { type Projection, projectionShape, projections } from '../../checkpoint/names.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { EditedTensor } from '../kind.ts';
import type { Where } from '../where.ts';

/** Rows of a projection's weight: all, or from the first up to the second. */
export interface ProjectionRows {
  readonly layer: number;
  readonly projection: Projection;
  readonly rows?: readonly [from: number, to: number];
  /** The whole weight, where an earlier operation has changed it. */
  readonly edited?: EditedTensor;
}

/** Projections, or heads of them, that are stacked by rows and share one PCA. */
export interface Group {
  /** The projections' letters, and the head where heads are apart: `q`, `kv`, `kv.3`, `gate` … */
  readonly name: string;
  /** Undefined for a group over several layers. */
  readonly layer: number | undefined;
  readonly members: readonly ProjectionRows[];
}

export const modes = ['shared-kv', 'separate', 'shared-qkv', 'cross-layer-kv', 'per-head', 'per-head-kv'] as const;
export type Mode = (typeof modes)[number];

/** Projections that a mode puts together; all others stay alone. */
const together: Readonly<Record<Mode, readonly Projection[]>> = {
  'shared-kv': ['k', 'v'],
  separate: [],
  'shared-qkv': ['q', 'k', 'v'],
  'cross-layer-kv': ['k', 'v'],
  'per-head': [],
  'per-head-kv': ['k', 'v'],
};

/** The mode that a shared one is compared with: the same members, each alone. Undefined where nothing is shared. */
export function separateOf(mode: Mode): Mode | undefined {
  if (together[mode].length === 0) return undefined;
  return mode === 'per-head-kv' ? 'per-head' : 'separate';
}

/** Whether a mode puts any of these projections, by default q, k and v, into one PCA with another, of its layer or of another one. */
export function shareOnePca(mode: Mode, targets: readonly Projection[] = ['q', 'k', 'v']): boolean {
  const shared = together[mode].filter((projection) => targets.includes(projection));
  return shared.length > (mode === 'cross-layer-kv' ? 0 : 1);
}

/** The dimensions of a model that decide how its projections are grouped, and how large the groups are. */
export type Dimensions = Pick<LlamaConfig, 'heads' | 'kvHeads' | 'headDim' | 'hiddenSize' | 'intermediateSize'>;

/** The plainest mode that groups these projections in the same way: shared-kv of `gate` alone is separate. */
export function plainest(mode: Mode, { targets, layers }: Where, config: Pick<Dimensions, 'heads' | 'kvHeads'>): Mode {
  const shared = together[mode].filter((projection) => targets.includes(projection));
  const heads = targets.filter(isAttentionInput).map((projection) => headsOf(projection, config));
  if (isByHead(mode) && heads.some((count) => count > 1)) return shared.length > 1 ? mode : 'per-head';
  if (mode === 'cross-layer-kv' && layers.length > 1 && shared.length > 0) return mode;
  if (shared.length < 2) return 'separate';
  return shared.includes('q') ? mode : 'shared-kv';
}

/** The most components that any of the groups has. */
export function mostComponents(mode: Mode, { targets, layers }: Where, config: Dimensions): number {
  const shared = together[mode].filter((projection) => targets.includes(projection));
  const size = (set: readonly Projection[], layersTogether: number) => {
    const shapes = set.map((projection) => projectionShape(config, projection));
    const heads = isByHead(mode) && set.every(isAttentionInput) ? headsOf(itemAt(set, 0), config) : 1;
    const rows = (layersTogether * shapes.reduce((sum, [own]) => sum + own, 0)) / heads;
    return Math.min(rows, ...shapes.map(([, columns]) => columns));
  };
  const alone = targets.filter((projection) => !shared.includes(projection));
  return Math.max(
    0,
    ...alone.map((projection) => size([projection], 1)),
    ...(shared.length > 0 ? [size(shared, mode === 'cross-layer-kv' ? layers.length : 1)] : []),
  );
}

/** The groups of the chosen layers, layer by layer; a group over all layers comes last. */
export function groupsOf(
  mode: Mode,
  targets: readonly Projection[],
  layers: readonly number[],
  config: Pick<LlamaConfig, 'heads' | 'kvHeads' | 'headDim'>,
): Group[] {
  const acrossLayers = mode === 'cross-layer-kv';
  const shared = together[mode].filter((projection) => targets.includes(projection));
  const alone = projections.filter((projection) => targets.includes(projection) && !shared.includes(projection));
  const groups = layers.flatMap((layer) => {
    const sets = [...alone.map((projection) => [projection]), ...(acrossLayers ? [] : [shared])].filter(
      (set) => set.length > 0,
    );
    return sets
      .toSorted((a, b) => order(a) - order(b))
      .flatMap((set) =>
        isByHead(mode) && set.every(isAttentionInput) ? headGroups(layer, set, config) : [wholeGroup(layer, set)],
      );
  });
  if (acrossLayers && shared.length > 0) {
    const members = layers.flatMap((layer) => shared.map((projection) => ({ layer, projection })));
    groups.push({ name: shared.join(''), layer: undefined, members });
  }
  return groups;
}

/** A group's name without its head: groups of one class have the same shape. */
export function classOf({ name }: Pick<Group, 'name'>): string {
  return name.replace(/\.\d+$/, '');
}

function order(set: readonly Projection[]): number {
  return Math.min(...set.map((projection) => projections.indexOf(projection)));
}

function isByHead(mode: Mode): boolean {
  return mode === 'per-head' || mode === 'per-head-kv';
}

function headsOf(projection: Projection, { heads, kvHeads }: Pick<Dimensions, 'heads' | 'kvHeads'>): number {
  return projection === 'q' ? heads : kvHeads;
}

function isAttentionInput(projection: Projection): boolean {
  return projection === 'q' || projection === 'k' || projection === 'v';
}

function wholeGroup(layer: number, set: readonly Projection[]): Group {
  return { name: set.join(''), layer, members: set.map((projection) => ({ layer, projection })) };
}

function headGroups(
  layer: number,
  set: readonly Projection[],
  { heads, kvHeads, headDim }: Pick<LlamaConfig, 'heads' | 'kvHeads' | 'headDim'>,
): Group[] {
  const count = headsOf(itemAt(set, 0), { heads, kvHeads });
  return Array.from({ length: count }, (_, head) => ({
    name: `${set.join('')}.${head}`,
    layer,
    members: set.map((projection) => ({
      layer,
      projection,
      rows: [head * headDim, (head + 1) * headDim] as const,
    })),
  }));
}
