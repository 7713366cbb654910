// surgery inspect: lists all tensors, and the spectrum of every group.
import { layerPrefix } from '../checkpoint/names.ts';
import type { PcaSpec } from '../operations/pca/spec.ts';
import { spectra, thresholds } from '../operations/pca/spectrum.ts';
import { inspectText } from '../report/terminal/text.ts';
import { format } from '../results/format.ts';
import type { InspectResult } from '../results/outputs.ts';
import type { InspectOptions } from './command-options.ts';
import { identify, openModel, print, progressOf } from './model.ts';

export async function inspect(options: InspectOptions): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { checkpoint } = model;
  const spec = { kind: 'pca', ...options.operation.fields } as PcaSpec;
  const info = await identify(model, progress);
  const { value } = await progress.step(`Spectra of ${info.ref}`, 'groups', (onProgress) =>
    spectra(checkpoint, spec, { engine: options.pcaEngine, onProgress }),
  );
  // Layer 2 before layer 10.
  const order = new Intl.Collator('en', { numeric: true });
  const listed = [...checkpoint.tensors.values()].sort((a, b) => order.compare(a.name, b.name));
  const tensors = listed.map(({ name, shape, dtype }) => ({
    name,
    ...layerOf(name),
    shape,
    dtype,
    parameters: shape.reduce((product, n) => product * n, 1),
  }));
  const result: InspectResult = {
    format,
    model: info,
    tensors,
    mode: spec.mode ?? 'shared-kv',
    thresholds,
    spectra: value,
  };
  print(options, result, () => inspectText(result, options.tensors ?? false));
}

function layerOf(name: string): { readonly layer?: number } {
  const [, layer] = layerPrefix.exec(name) ?? [];
  return layer === undefined ? {} : { layer: Number(layer) };
}
