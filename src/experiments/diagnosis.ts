// Where an edit that breaks a model does its damage: each layer's new weights alone, on a little of the text.
import { layerOf } from '../checkpoint/names.ts';
import type { Checkpoint } from '../checkpoint/reader.ts';
import type { LayeredVariant } from '../operations/operator.ts';
import { touchedBy } from '../operations/recipe.ts';
import { itemAt } from '../platform/indexing.ts';
import type { Diagnosis } from '../results/run.ts';
import type { WalkVariant } from '../runtime/walk/steps.ts';
import { Walk } from '../runtime/walk/walk.ts';
import { scoredTokens } from '../scores/likelihood.ts';
import type { Comparison } from '../scores/registry.ts';
import { scoreWalk } from '../scores/walked.ts';

/** Documents and scored tokens that every part is measured on, at most. */
const most = { documents: 8, tokens: 512 };
/** Tokens at least: fewer in all say nothing, and fewer of a document take as long, as each pass reads all weights. */
const least = { tokens: 64, ofDocument: 32 };

/** The parts to measure, and on how much text. */
interface DiagnosisPlan {
  readonly names: readonly string[];
  readonly layers: readonly number[];
  /** How often parts are left out, at most. */
  readonly attempts: number;
  readonly tokens: number;
}

/**
 * What {@link diagnose} does about an edit.
 * @param budget tokens that all forward passes together may read, roughly
 * @returns nothing for an edit of a single tensor; the least that it takes where the budget allows too little text
 */
export function planDiagnosis(
  { checkpoint, variant }: Pick<DiagnosisRequest, 'checkpoint' | 'variant'>,
  budget: number,
): DiagnosisPlan | { readonly passes: number; readonly least: number } | undefined {
  const names = touchedBy([variant.recipe], checkpoint.config);
  if (names.length < 2) return undefined;
  const layers = [...new Set(names.map(layerOf))].sort((a, b) => a - b);
  const attempts = layers.length > 1 ? Math.floor(Math.log2(layers.length)) : 0;
  const inLayer = Math.max(...layers.map((layer) => projectionsOf(layer, names).length));
  // Each of the three steps reads the original as well.
  const passes = layers.length + inLayer + 2 * attempts + 2;
  const tokens = Math.min(most.tokens, Math.floor(budget / passes));
  return tokens < least.tokens ? { passes, least: least.tokens } : { names, layers, attempts, tokens };
}

export interface DiagnosisRequest {
  readonly checkpoint: Checkpoint;
  readonly variant: LayeredVariant;
  readonly documents: readonly (readonly number[])[];
  /** Whether a variant still works. */
  readonly works: (scores: Comparison) => boolean;
  readonly threads?: number | undefined;
  /** Bytes that may be used. */
  readonly memory?: number | undefined;
  /** Called with the passes done and to do at most. */
  readonly onPass?: (done: number, total: number) => void;
}

/**
 * Puts the edited weights of one layer at a time into the original, then of each projection of the worst layer. Then
 * leaves out the worst layer, the two, four … worst, up to half of them, until the rest of the edit works.
 * @throws SurgeryError `numeric` as the scoring does
 */
export async function diagnose(
  { names, layers, attempts, tokens }: DiagnosisPlan,
  request: DiagnosisRequest,
): Promise<Diagnosis> {
  const { checkpoint, variant, works, threads, memory, onPass } = request;
  const documents = beginnings(request.documents, tokens);
  const walk = new Walk(checkpoint, documents, { threads, memory });
  const walks = 2 + attempts;
  let done = 0;
  const scored = async (wanted: readonly ((name: string) => boolean)[]): Promise<readonly Comparison[]> => {
    const variants = wanted.map(
      (isWanted): WalkVariant => ({
        from: Math.min(...names.filter(isWanted).map(layerOf)),
        edit: async (layer) =>
          names.some((name) => layerOf(name) === layer && isWanted(name))
            ? new Map([...(await variant.edit(layer))].filter(([name]) => isWanted(name)))
            : new Map(),
      }),
    );
    const scores = await scoreWalk(walk, variants, (blocks, all) => onPass?.(done + blocks / all, walks));
    done++;
    return scores.variants;
  };
  try {
    const alone = await scored(layers.map((layer) => (name) => layerOf(name) === layer));
    const byLayer = layers.map((layer, i) => ({ layer, kl: itemAt(alone, i).kl }));
    const worst = byLayer.toSorted((a, b) => b.kl - a.kl).map(({ layer }) => layer);
    const first = itemAt(worst, 0);
    const projections = projectionsOf(first, names);
    const ofProjections =
      projections.length > 1
        ? await scored(projections.map((one) => (name) => layerOf(name) === first && projectionOf(name) === one))
        : [];
    let rest: Diagnosis['rest'] = null;
    for (let left = 1; left <= layers.length / 2; left *= 2) {
      const kept = layers.filter((layer) => !worst.slice(0, left).includes(layer));
      const scores = itemAt(await scored([(name) => kept.includes(layerOf(name))]), 0);
      rest = { layers: kept, kl: scores.kl, works: works(scores) };
      if (rest.works) break;
    }
    return {
      documents: documents.length,
      tokens: scoredTokens(documents),
      layers: byLayer,
      projections: ofProjections.map(({ kl }, i) => ({ layer: first, projection: itemAt(projections, i), kl })),
      rest,
    };
  } finally {
    await walk.close();
  }
}

/** The first documents, cut so that about so many tokens are scored. */
function beginnings(documents: readonly (readonly number[])[], tokens: number): (readonly number[])[] {
  const some = documents.slice(0, Math.min(most.documents, Math.floor(tokens / least.ofDocument)));
  const each = Math.ceil(tokens / some.length) + 1;
  return some.map((ids) => ids.slice(0, each));
}

const projectionOf = (name: string) => /\.(\w+)_proj\./.exec(name)?.[1] ?? name;

/** The projections of a layer that are edited, in weight or bias. */
function projectionsOf(layer: number, names: readonly string[]): string[] {
  return [...new Set(names.filter((name) => layerOf(name) === layer).map(projectionOf))];
}
