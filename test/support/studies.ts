// Studies and cells made by hand, for what needs no model.

import { planSensitivity } from '../../src/experiments/design.ts';
import { summarised } from '../../src/experiments/summary.ts';
import type { NoneSpec } from '../../src/operations/none/spec.ts';
import { designSweep } from '../../src/operations/pca/design.ts';
import { footprint } from '../../src/operations/pca/footprint.ts';
import { modes } from '../../src/operations/pca/grouping.ts';
import type { GroupReport, LayerReport } from '../../src/operations/pca/report.ts';
import type { PcaOperation } from '../../src/operations/pca/spec.ts';
import { completeRecipe } from '../../src/operations/recipe.ts';
import { canonical } from '../../src/platform/canonical.ts';
import { itemAt } from '../../src/platform/indexing.ts';
import { format } from '../../src/results/format.ts';
import type { CellResult, SensitivityResult, Study } from '../../src/results/study.ts';
import type { TaskScores } from '../../src/scores/tasks.ts';
import { configWith } from './models.ts';
import type { PcaParameters } from './operations.ts';

const layers = 22;
const config = configWith({ num_hidden_layers: layers });

/** The same where no figure has an interval, as of a single document. */
export function withoutIntervals<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (key, one) => {
      if (key === 'intervals') return Object.fromEntries(Object.keys(one).map((name) => [name, null]));
      return ['interval', 'intervalKl'].includes(key) ? null : one;
    }),
  );
}

/** A group with these errors, relative to weights of norm 1. */
export function group(name: string, rank: number, relativeError: Record<string, number>): GroupReport {
  const squaredNorm = Object.fromEntries(Object.keys(relativeError).map((projection) => [projection, 1]));
  const parameters = { dense: 1000, factored: rank * 10 };
  return { name, rank, of: 64, explained: 0.5, relativeError, squaredNorm, parameters };
}

export interface CellSums {
  readonly nll?: readonly number[];
  readonly kl?: readonly number[];
  readonly tokens?: readonly number[];
  readonly tasks?: TaskScores;
  /** What was done in layer 0 alone. */
  readonly groups?: readonly GroupReport[];
  readonly layers?: readonly LayerReport[];
}

/** A cell of one PCA, or of nothing, whose sums by document are given; its scores follow from them, compared with an original of nll 2 per token. */
export function cell(
  id: string,
  operation: PcaParameters | NoneSpec,
  {
    nll = [20, 40],
    kl = [1, 1],
    tokens = [10, 20],
    tasks,
    groups = [group('kv', 4, { k: 0.5, v: 0.5 })],
    layers: reported = [{ layer: 0, groups }],
  }: CellSums = {},
): CellResult {
  const mean = (sums: readonly number[]) => sums.reduce((a, b) => a + b, 0) / tokens.reduce((a, b) => a + b, 0);
  const deltaNll = mean(nll) - 2;
  const pca = { kind: 'pca', layers: reported } as const;
  const isNone = 'kind' in operation && operation.kind === 'none';
  return {
    id,
    recipe: completeRecipe([isNone ? operation : { kind: 'pca', ...operation }], config),
    footprint: isNone ? null : footprint(pca.layers),
    reports: isNone ? [{ kind: 'none' }] : [pca],
    scores: {
      nll: mean(nll),
      perplexity: Math.exp(mean(nll)),
      kl: mean(kl),
      sameTop: 0.5,
      deltaNll,
      intervals: { deltaNll: [deltaNll - 0.0123, deltaNll + 0.0123], kl: [mean(kl) * 0.9, mean(kl) * 1.1] },
      klQuantiles: { median: 0.1, p99: 1, p999: 2, max: 3 },
      deltaP: { mean: -0.01, rms: 0.1 },
    },
    byDocument: { tokens, nll, kl },
    ...(tasks ? { tasks } : {}),
    samples: [],
  };
}

/** A study of the two documents that the cells by hand have sums of, as files must be: too few for intervals. */
export function twoDocuments(cells: readonly string[], more: Partial<Study> = {}): Study {
  return study(cells, { text: { ...study([]).text, documents: 2 }, ...more });
}

/** A study of these cells with nothing compared yet, of enough documents for intervals. */
export function study(cells: readonly string[], more: Partial<Study> = {}): Study {
  return {
    format,
    kind: 'sweep',
    complete: false,
    command: 'surgery sweep',
    model: {
      ref: 'org/name',
      architecture: 'LlamaForCausalLM',
      layers,
      parameters: 1_100_048_384,
      dtype: 'BF16',
      sha256: 'a',
    },
    context: {
      format,
      versions: { surgery: '1' },
      model: 'a',
      precision: 'fp32',
      engine: 'native',
      dtype: 'source',
      documents: 'b',
      tasks: null,
      prompts: null,
      sampling: null,
    },
    text: {
      text: 'text.txt',
      documents: 10,
      tokens: 30,
      cut: 0,
      maxTokens: 512,
      rule: 'each alone',
      intervalRule: '95 %',
    },
    cells,
    original: {
      scores: { nll: 2, perplexity: Math.exp(2) },
      byDocument: { tokens: [10, 20], nll: [20, 40] },
      samples: [],
    },
    pairs: [],
    controls: [],
    angles: [],
    curves: [],
    ...more,
  };
}

const taskScores = (correct: number): TaskScores => {
  const score = { correct, questions: 400, accuracy: correct / 400, interval: [0.4321, 0.5432] as const, chance: 0.25 };
  return { ...score, byTask: { cloze: score } };
};

/** Cells by name whose figures all differ, some of them tiny. */
export function measured(
  operations: readonly (PcaParameters | NoneSpec)[],
  withTasks = false,
): Map<string, CellResult> {
  return new Map(
    operations.map((operation, i) => {
      const shift = i % 5 === 0 ? 0.000123 : i * 1.237;
      const kept = ('rank' in operation && operation.rank) || 2000 - i;
      const sums = {
        nll: [20 + shift, 40 - shift / 3],
        kl: [1e-5 * (i + 1), 0.3 * i],
        groups: [group('kv', kept, { k: 0.5, v: 0.4 })],
      };
      const one = cell(`c${i}`, operation, { ...sums, ...(withTasks ? { tasks: taskScores(200 + i) } : {}) });
      return [one.id, one];
    }),
  );
}

type Cells = ReturnType<typeof designSweep>;

/** Two sweeps as one: what cannot vary together, such as ranks and how a threshold's components are spread. */
function joined(first: Cells, second: Cells): Cells {
  const places = new Map(first.cells.map((cell, i) => [canonical(cell), i]));
  const cells = [...first.cells];
  const moved = second.cells.map((cell) => places.get(canonical(cell)) ?? cells.push(cell) - 1);
  const controls = second.controls.map(({ control, cell, of }) => ({
    control,
    cell: itemAt(moved, cell),
    ...(of === undefined ? {} : { of: itemAt(moved, of) }),
  }));
  const once = new Map([...first.controls, ...controls].map((one) => [canonical(one), one]));
  const pairs = second.pairs.map((pair) => ({
    ...pair,
    cell: itemAt(moved, pair.cell),
    partner: itemAt(moved, pair.partner),
  }));
  return { cells, pairs: [...first.pairs, ...pairs], controls: [...once.values()] };
}

/** A sweep with everything: long names, several thresholds, dropped means, sets of layers, controls, tasks, angles. */
export function largeStudy(): { study: Study; cells: Map<string, CellResult> } {
  const common = {
    mode: modes,
    mean: ['keep', 'drop'],
    layers: [[...Array(layers).keys()], [0, 2, 11, 12, 13, 14, 15, 16, 17, 18, 21]],
  } as const;
  const rest = { fixed: {}, match: ['variance', 'width', 'parameters', 'error'], controls: true };
  const { cells, pairs, controls } = joined(
    designSweep({ varied: { ...common, variance: [0.975], allocate: ['uniform', 'global'] }, ...rest }, config),
    designSweep({ varied: { ...common, rank: [1024, 512] }, ...rest }, config),
  );
  const known = measured(cells, true);
  const name = (index: number) => `c${index}`;
  const angles = [0, 21].map((layer) => ({
    layer,
    variance: 0.975,
    dimensions: [1024, 2048] as const,
    meanSquaredCosine: 0.000123,
    largestCosine: 0.98765,
    random: { draws: 20, meanSquaredCosine: 0.000456, mostMeanSquaredCosine: 0.000567, largestCosine: 0.12345 },
  }));
  const whole = study([...known.keys()], {
    tasks: { file: 'tasks.jsonl', rule: 'summed log-probability of the choice after the context, BOS first' },
    pairs: pairs.map(({ rule, cell, partner }) => ({
      rule,
      cell: name(cell),
      partner: name(partner),
      difference: null,
      met: null,
    })),
    controls: controls.map(({ control, cell: own, of }) => ({
      control,
      cell: name(own),
      of: of === undefined ? null : name(of),
      difference: null,
    })),
    angles,
    curves: Array.from({ length: layers }, (_, layer) =>
      ['q', 'k', 'v', 'kv', ...Array.from({ length: 8 }, (_, head) => `q.${head}`)].map((name) => {
        const ranks = Array.from({ length: 24 }, (_, i) => (i + 1) * 10);
        const explained = ranks.map((rank) => (rank / 240) ** 0.5);
        return { group: name, layers: [layer], of: 240, ranks, explained };
      }),
    ).flat(),
  });
  const { original } = whole;
  if (!original) throw new TypeError('no original');
  return { study: summarised({ ...whole, original: { ...original, tasks: taskScores(212) } }, known), cells: known };
}

/** A sensitivity study of two thresholds. */
export function sensitivityStudy(
  by: SensitivityResult['by'] = 'layer',
  budgets: SensitivityResult['kept'] = [{ variance: 0.975 }, { rank: 1024 }],
): {
  study: Study;
  cells: Map<string, CellResult>;
} {
  const operation = { kind: 'pca', mode: 'separate', mean: 'keep', targets: ['q', 'k', 'v', 'gate'] } as const;
  const kept = {
    variance: budgets.flatMap(({ variance = [] }) => variance),
    rank: budgets.flatMap(({ rank = [] }) => rank),
  };
  const plan = planSensitivity({ ...operation, ...kept }, by, config);
  const cells = measured(plan.cells as readonly PcaOperation[]);
  const name = (index: number) => `c${index}`;
  const sensitivity: SensitivityResult = {
    by,
    kept: plan.kept,
    joint: plan.joint.map(name),
    additivity: plan.joint.map(() => null),
    rows: plan.rows.map((row) => ({ ...row, cells: row.cells.map(name) })),
  };
  return { study: summarised(study([...cells.keys()], { kind: 'sensitivity', sensitivity }), cells), cells };
}
