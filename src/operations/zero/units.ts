// The units of a model that a sensitivity study cuts one at a time.
import type { LlamaConfig } from '../../checkpoint/config.ts';
import type { ModelUnit, UnitPart } from '../kind.ts';
import type { UnitLists } from './spec.ts';

/** Groups that the neurons of a layer are cut in. */
const neuronGroups = 16;

export function unitsOfModel(by: ModelUnit, config: LlamaConfig): UnitPart<UnitLists>[] {
  const { layers, heads, kvHeads, intermediateSize } = config;
  const each = (of: (layer: number) => UnitPart<UnitLists>[]) =>
    Array.from({ length: layers }, (_, layer) => of(layer)).flat();
  const whole = (key: 'attention' | 'mlp' | 'blocks') =>
    each((layer) => [{ layer, name: String(layer), spec: { [key]: [layer] } }]);
  const numbered = (key: 'heads' | 'kvHeads', count: number) =>
    each((layer) =>
      Array.from({ length: count }, (_, i) => ({ layer, name: `${layer}.${i}`, spec: { [key]: [`${layer}.${i}`] } })),
    );
  switch (by) {
    case 'head':
      return numbered('heads', heads);
    case 'kv-head':
      return numbered('kvHeads', kvHeads);
    case 'neuron-group': {
      const width = Math.ceil(intermediateSize / neuronGroups);
      const starts = Array.from({ length: Math.ceil(intermediateSize / width) }, (_, i) => i * width);
      return each((layer) =>
        starts.map((from) => {
          const name = `${layer}.${from}-${Math.min(from + width, intermediateSize) - 1}`;
          return { layer, name, spec: { neurons: [name] } };
        }),
      );
    }
    case 'attention':
    case 'mlp':
      return whole(by);
    case 'block':
      return whole('blocks');
  }
}
