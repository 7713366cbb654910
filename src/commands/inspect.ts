// surgery inspect: every tensor, and every group's spectrum.
import { spectra, thresholds } from '../decompose/spectrum.ts';
import { type InspectResult, schema } from '../report/results.ts';
import { inspectText } from '../report/text.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { ModelOptions, OperationOptions } from './options.ts';

export type InspectOptions = Omit<ModelOptions, 'precision'> & Pick<OperationOptions, 'mode' | 'pcaEngine'>;

export async function inspect(options: InspectOptions): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { checkpoint } = model;
  const info = await identify(model, progress);
  const { value } = await progress.step(`Spectra of ${info.ref}`, 'groups', (onProgress) =>
    spectra(checkpoint, options.mode, { engine: options.pcaEngine, onProgress }),
  );
  const tensors = [...checkpoint.tensors.values()].map(({ name, shape, dtype }) => ({
    name,
    shape,
    dtype,
    parameters: shape.reduce((product, n) => product * n, 1),
  }));
  const result: InspectResult = { schema, model: info, tensors, mode: options.mode, thresholds, spectra: value };
  print(options, result, () => inspectText(result));
}
