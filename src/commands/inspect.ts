// surgery inspect: lists all tensors, and the spectrum of every group.
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
  const tensors = [...checkpoint.tensors.values()].map(({ name, shape, dtype }) => ({
    name,
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
  print(options, result, () => inspectText(result));
}
