// surgery inspect: every tensor, and every group's spectrum.
import { SurgeryError } from '../errors.ts';
import type { PcaSpec } from '../operations/pca/spec.ts';
import { spectra, thresholds } from '../operations/pca/spectrum.ts';
import type { InspectResult } from '../report/results.ts';
import { inspectText } from '../report/text.ts';
import { format } from '../results/format.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { ModelOptions, WritingOptions } from './options.ts';
import { type OperationRequest, specOf } from './recipes.ts';

export type InspectOptions = Omit<ModelOptions, 'precision'> &
  Pick<WritingOptions, 'pcaEngine'> & { readonly operation: OperationRequest };

export async function inspect(options: InspectOptions): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const { checkpoint } = model;
  const spec = pcaOf(options.operation);
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

/** What is decomposed. @throws SurgeryError `usage` for another kind, and for options that change no spectrum */
function pcaOf(operation: OperationRequest): PcaSpec {
  const spec = specOf(operation);
  if (spec.kind !== 'pca')
    throw new SurgeryError('usage', `inspect shows spectra of the kind pca, not of ${spec.kind}`);
  return spec;
}
