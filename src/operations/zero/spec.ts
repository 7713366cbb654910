// The parameters of the kind `zero`: which heads, neurons, attention, MLPs, blocks and single weights are zeroed.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import { type Projection, projectionShape, projections } from '../../checkpoint/names.ts';
import { SurgeryError } from '../../platform/errors.ts';
import { listOf, NotAllowed, rangeOf, ranges } from '../../platform/option-values.ts';
import type { Fields } from '../kind.ts';
import { ordered, requireLayer } from '../where.ts';

/** Heads, neurons, attention, MLPs and blocks: what can be cut out of a model. */
export interface UnitLists {
  /** Query heads, as `layer.head`: what o reads of them. */
  readonly heads?: readonly string[];
  /** Key/value heads, as `layer.head`: all query heads that read one. */
  readonly kvHeads?: readonly string[];
  /** Neurons of the MLP, as `layer.from-to` or `layer.neuron`: what down reads of them. */
  readonly neurons?: readonly string[];
  /** Layers whose attention adds nothing to the residual stream. */
  readonly attention?: readonly number[];
  /** Layers whose MLP adds nothing. */
  readonly mlp?: readonly number[];
  /** Layers whose attention and MLP both add nothing: the block is skipped. */
  readonly blocks?: readonly number[];
}

export interface ZeroSpec extends UnitLists {
  readonly kind: 'zero';
  /** Single weights, as `layer.projection[row,column]`, (out, in) of the projection. */
  readonly weights?: readonly string[];
}

/** A zero operation with at least one list, each sorted. */
export type ZeroOperation = ZeroSpec;

/** Some heads or neurons of a layer, both ends included. */
export interface Units {
  readonly layer: number;
  readonly from: number;
  readonly to: number;
}

/** A weight of a projection. */
export interface SingleWeight {
  readonly layer: number;
  readonly projection: Projection;
  readonly row: number;
  readonly column: number;
}

const units = (option: string, example: string) =>
  listOf((text: string) => {
    if (!unitsOf(text))
      throw new NotAllowed(option, text, `a layer, a point and what is cut there, such as ${example}`);
    return text;
  });

export const zeroFields: Fields<ZeroSpec> = {
  heads: {
    flags: '--heads <list>',
    help: 'query heads to cut, as layer.head, such as 2.5,0.0',
    parse: units('--heads', '2.5,0.0'),
    several: 'repeat',
  },
  kvHeads: {
    flags: '--kv-heads <list>',
    help: 'key/value heads to cut, with all query heads that read them, such as 1.3',
    parse: units('--kv-heads', '1.3'),
    several: 'repeat',
  },
  neurons: {
    flags: '--neurons <list>',
    help: 'neurons of the MLP to cut, as layer.neuron or layer.from-to, such as 3.0-9',
    parse: units('--neurons', '3.0-9'),
    several: 'repeat',
  },
  attention: {
    flags: '--attention <list>',
    help: 'layers whose attention is cut, such as 4',
    parse: ranges('--attention'),
    several: 'repeat',
  },
  mlp: {
    flags: '--mlp <list>',
    help: 'layers whose MLP is cut, such as 1',
    parse: ranges('--mlp'),
    several: 'repeat',
  },
  blocks: {
    flags: '--blocks <list>',
    help: 'layers to skip: attention and MLP, such as 3',
    parse: ranges('--blocks'),
    several: 'repeat',
  },
  weights: {
    flags: '--weights <list>',
    help: 'single weights to cut, as layer.projection[row,column], such as 11.down[507,1229]',
    parse: listOf((text) => {
      if (!weightOf(text))
        throw new NotAllowed(
          '--weights',
          text,
          `layer.projection[row,column] with a projection of ${projections.join()}, such as 11.down[507,1229]`,
        );
      return text;
    }),
    several: 'repeat',
  },
};

/** "3.0-9" → layer 3, 0 to 9; undefined for what is none. */
export function unitsOf(text: string): Units | undefined {
  const [layer = '', rest = '', ...more] = text.trim().split('.');
  const [at, range] = [/^\d{1,6}$/.test(layer) ? Number(layer) : undefined, rangeOf(rest)];
  return at === undefined || !range || more.length > 0 ? undefined : { layer: at, from: range[0], to: range[1] };
}

/** "11.down[507,1229]" → its parts; undefined for what is none. */
export function weightOf(text: string): SingleWeight | undefined {
  const [, layer, name, row, column] = /^\s*(\d{1,6})\.(\w+)\[(\d{1,9}),\s*(\d{1,9})\]\s*$/.exec(text) ?? [];
  const projection = projections.find((one) => one === name);
  return projection && { layer: Number(layer), projection, row: Number(row), column: Number(column) };
}

const weightText = ({ layer, projection, row, column }: SingleWeight) => `${layer}.${projection}[${row},${column}]`;

/** @throws SurgeryError `usage` for nothing to cut, and for layers, heads, neurons and weights that the model does not have */
export function complete(spec: ZeroSpec, config: LlamaConfig): ZeroOperation {
  const chosen: ZeroOperation = {
    kind: 'zero',
    ...completeUnits(spec, config),
    ...given('weights', spec.weights && orderedWeights(spec.weights, config)),
  };
  if (Object.keys(chosen).length > 1) return chosen;
  throw new SurgeryError(
    'usage',
    'zero names nothing to cut: give --heads, --kv-heads, --neurons, --attention, --mlp, --blocks or --weights',
  );
}

/** The lists that are not empty, each sorted. @throws SurgeryError `usage` for layers, heads and neurons that the model does not have */
export function completeUnits(spec: UnitLists, config: LlamaConfig): UnitLists {
  const { heads, kvHeads, intermediateSize } = config;
  return {
    ...given('heads', spec.heads && orderedUnits(spec.heads, 'heads', heads, config)),
    ...given('kvHeads', spec.kvHeads && orderedUnits(spec.kvHeads, 'KV heads', kvHeads, config)),
    ...given('neurons', spec.neurons && orderedUnits(spec.neurons, 'neurons', intermediateSize, config)),
    ...given('attention', spec.attention && ordered(spec.attention, config)),
    ...given('mlp', spec.mlp && ordered(spec.mlp, config)),
    ...given('blocks', spec.blocks && ordered(spec.blocks, config)),
  };
}

/** The list under its key; nothing for an empty one. */
function given<K extends string, T>(key: K, list: readonly T[] | undefined): { readonly [P in K]?: readonly T[] } {
  return list && list.length > 0 ? ({ [key]: list } as { readonly [P in K]: readonly T[] }) : {};
}

/** Each once, in ranges as long as can be. */
function orderedUnits(texts: readonly string[], what: string, count: number, config: LlamaConfig): string[] {
  const all = texts.map((text) => {
    const found = unitsOf(text);
    if (!found) throw new SurgeryError('usage', `${JSON.stringify(text)} names no ${what}: write layer.number`);
    requireLayer(found.layer, config);
    if (found.to >= count)
      throw new SurgeryError('usage', `${text} is not there, this model's ${what} are 0 to ${count - 1} in each layer`);
    return found;
  });
  const merged: Units[] = [];
  for (const one of all.sort((a, b) => a.layer - b.layer || a.from - b.from)) {
    const last = merged.at(-1);
    if (last?.layer !== one.layer || one.from > last.to + 1) merged.push(one);
    else merged[merged.length - 1] = { ...last, to: Math.max(last.to, one.to) };
  }
  return merged.map(({ layer, from, to }) => `${layer}.${from === to ? from : `${from}-${to}`}`);
}

/** Each once, by layer, projection, row and column. */
function orderedWeights(texts: readonly string[], config: LlamaConfig): string[] {
  const all = texts.map((text) => {
    const found = weightOf(text);
    if (!found)
      throw new SurgeryError('usage', `${JSON.stringify(text)} names no weight: write layer.projection[row,column]`);
    requireLayer(found.layer, config);
    const [rows, columns] = projectionShape(config, found.projection);
    if (found.row >= rows || found.column >= columns)
      throw new SurgeryError(
        'usage',
        `${text} is not there, ${found.projection} has ${rows} rows and ${columns} columns`,
      );
    return found;
  });
  const order = ({ layer, projection, row, column }: SingleWeight) => [
    layer,
    projections.indexOf(projection),
    row,
    column,
  ];
  const sorted = all
    .map((one) => ({ text: weightText(one), order: order(one) }))
    .sort((a, b) => a.order.reduce((sign, value, i) => sign || value - (b.order[i] as number), 0));
  return [...new Set(sorted.map(({ text }) => text))];
}
