// Where an edit that breaks a model does its damage: each layer's new weights alone, on a little of the text.
import { layerPrefix } from '../checkpoint/names.ts';
import { itemAt } from '../platform/indexing.ts';
import type { Diagnosis } from '../results/run.ts';
import type { Runtime } from '../runtime/session.ts';
import { scoreDocuments, scoredTokens } from '../scores/likelihood.ts';
import type { Comparison } from '../scores/registry.ts';

/** Documents and scored tokens that every part is measured on, at most. */
const most = { documents: 8, tokens: 512 };
/** Tokens at least: fewer in all say nothing, and fewer of a document take as long, as each pass reads all weights. */
const least = { tokens: 64, ofDocument: 32 };

export interface DiagnosisRequest {
  readonly runtime: Runtime;
  /** The edited weights, by tensor. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly documents: readonly (readonly number[])[];
  /** Tokens that all forward passes together may read, roughly. */
  readonly budget: number;
  /** Whether a variant still works. */
  readonly works: (scores: Comparison) => boolean;
  /** Called with the passes done and to do at most. */
  readonly onPass?: (done: number, total: number) => void;
}

/**
 * Puts the edited weights of one layer at a time into the original, then of each projection of the worst layer. Then
 * leaves out the worst layer, the two, four … worst, up to half of them, until the rest of the edit works.
 * @returns nothing for an edit of a single tensor, and where the budget allows too little text
 * @throws SurgeryError `numeric` as the scoring does
 */
export async function diagnose(request: DiagnosisRequest): Promise<Diagnosis | undefined> {
  const { runtime, tensors, budget, works, onPass } = request;
  const layers = [...new Set([...tensors.keys()].map(layerOf))].sort((a, b) => a - b);
  const attempts = layers.length > 1 ? Math.floor(Math.log2(layers.length)) : 0;
  const projections = Math.max(...layers.map((layer) => partsOf(layer, tensors).length));
  // Each of the three steps reads the original as well.
  const passes = layers.length + projections + 2 * attempts + 2;
  const tokens = Math.min(most.tokens, Math.floor(budget / passes));
  if (tensors.size < 2 || tokens < least.tokens) return undefined;
  const documents = beginnings(request.documents, tokens);
  let done = 0;
  const scored = async (variants: readonly ReadonlyMap<string, Float32Array>[]): Promise<readonly Comparison[]> => {
    const models = variants.map((changed) => ({ runtime, weights: runtime.variant(changed) }));
    const all = scoredTokens(documents);
    const before = done;
    const { variants: found } = await scoreDocuments(documents, { runtime }, models, (read) =>
      onPass?.(before + Math.floor(((variants.length + 1) * read) / all), passes),
    );
    done += variants.length + 1;
    return found;
  };
  const inLayers = (wanted: readonly number[]) =>
    new Map([...tensors].filter(([name]) => wanted.includes(layerOf(name))));

  const alone = await scored(layers.map((layer) => inLayers([layer])));
  const byLayer = layers.map((layer, i) => ({ layer, kl: itemAt(alone, i).kl }));
  const worst = byLayer.toSorted((a, b) => b.kl - a.kl).map(({ layer }) => layer);
  const first = itemAt(worst, 0);
  const parts = partsOf(first, tensors);
  const ofParts = parts.length > 1 ? await scored(parts.map(({ own }) => own)) : [];
  let rest: Diagnosis['rest'] = null;
  for (let left = 1; left <= layers.length / 2; left *= 2) {
    const kept = layers.filter((layer) => !worst.slice(0, left).includes(layer));
    const scores = itemAt(await scored([inLayers(kept)]), 0);
    rest = { layers: kept, kl: scores.kl, works: works(scores) };
    if (rest.works) break;
  }
  return {
    documents: documents.length,
    tokens: scoredTokens(documents),
    layers: byLayer,
    projections: ofParts.map(({ kl }, i) => ({ layer: first, projection: itemAt(parts, i).projection, kl })),
    rest,
  };
}

/** The first documents, cut so that about so many tokens are scored. */
function beginnings(documents: readonly (readonly number[])[], tokens: number): (readonly number[])[] {
  const some = documents.slice(0, Math.min(most.documents, Math.floor(tokens / least.ofDocument)));
  const each = Math.ceil(tokens / some.length) + 1;
  return some.map((ids) => ids.slice(0, each));
}

const layerOf = (name: string) => Number(layerPrefix.exec(name)?.[1]);

/** A layer's edited tensors by projection: a weight with its bias, if both change. */
function partsOf(layer: number, tensors: ReadonlyMap<string, Float32Array>) {
  const own = [...tensors].filter(([name]) => layerOf(name) === layer);
  const projectionOf = (name: string) => /\.(\w+)_proj\./.exec(name)?.[1] ?? name;
  return [...new Set(own.map(([name]) => projectionOf(name)))].map((projection) => ({
    projection,
    own: new Map(own.filter(([name]) => projectionOf(name) === projection)),
  }));
}
