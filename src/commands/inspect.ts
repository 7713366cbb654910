// surgery inspect: lists all tensors, and the spectrum of every group; or prints a text as it would be scored.
import { layerPrefix } from '../checkpoint/names.ts';
import type { PcaSpec } from '../operations/pca/spec.ts';
import { spectra, thresholds } from '../operations/pca/spectrum.ts';
import { inspectedText, weightsText } from '../report/terminal/text.ts';
import { format } from '../results/format.ts';
import type { InspectedText, InspectResult } from '../results/outputs.ts';
import { scoredTokens } from '../scores/likelihood.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { InspectOptions } from './command-options.ts';
import { identify, type OpenModel, openModel, print, progressOf } from './model.ts';
import { scoringInput } from './scoring.ts';

export async function inspect(options: InspectOptions): Promise<void> {
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  if (options.text !== undefined) return inspectText(options, model);
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
  print(options, result, () => weightsText(result, options.tensors ?? false));
}

/** The documents of --text as the model reads them, with the hash by which results name them. */
async function inspectText(options: InspectOptions, model: OpenModel): Promise<void> {
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const { about, documents, documentsSha256 } = await scoringInput(options, model, tokenizer);
  const result: InspectedText = {
    format,
    model: await identify(model, progressOf(options)),
    text: { ...about, tokens: scoredTokens(documents) },
    documentsSha256,
    documents: documents.map((ids) => ({ text: tokenizer.decode(ids), ids })),
  };
  print(options, result, () => inspectedText(result));
}

function layerOf(name: string): { readonly layer?: number } {
  const [, layer] = layerPrefix.exec(name) ?? [];
  return layer === undefined ? {} : { layer: Number(layer) };
}
