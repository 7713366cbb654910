import type {
  Chance,
  Estimate,
  Likeness,
  MapEvaluation,
  MapKind,
  PointEvaluation,
  ProbeResult,
  Resemblance,
} from '../../analyses/probe/result.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import { fewDocumentsWords, intervalText, layerRule, probeWords, readingAt, readWords, trusted } from '../findings.ts';
import { counted, integer, labelled, percent, table, wrap } from '../format.ts';
import { screenWidth } from '../screen.ts';
import type { HeatMap } from './heat-map.ts';
import { type LineChart, lineChart } from './line-chart.ts';
import { modelText } from './text.ts';

type Variant = ProbeResult['variants'][number];
type Wanted = Pick<MapEvaluation, 'map' | 'label' | 'split' | 'target'>;

/**
 * @param full whether all tables are wanted
 * @param output the folder that the result was written to
 */
export function probeText(whole: ProbeResult, full: boolean, output?: string, width = screenWidth()): string {
  const result = trusted(whole, whole.text);
  const { model, recipe, text } = result;
  return [
    [
      modelText(model),
      recipe && labelled('Operation', describeRecipe(recipe, model.layers), width),
      labelled('Text', readWords(text, text.positions), width),
      fewDocumentsWords(text, true),
    ]
      .filter(Boolean)
      .join('\n'),
    labelled('Result', probeWords(result).join(' '), width),
    ...result.variants.map((variant) => (full ? variantText(result, variant) : briefText(result, variant, width))),
    full && lineChart(depthChart(result, 'top1')),
    `${rulesText(result, width)}${full ? '' : '\n--full prints all tables.'}`,
    output !== undefined && `Written    ${output}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** What the probes recover over depth, next to the baseline, in one table. */
function briefText(result: ProbeResult, variant: Variant, width: number): string {
  const top1 = (point: PointEvaluation, wanted: Partial<Wanted>) =>
    readingAt(point.readings, { map: 'probe', label: 'input', split: 'positions', target: 'embedding', ...wanted })
      ?.top1;
  const rows = variant.points
    .toReversed()
    .map((point) => [
      point.point,
      withInterval(top1(point, {}), share),
      share(top1(point, { map: 'shuffled' })?.value),
      share(top1(point, { map: 'identity' })?.value),
      withInterval(top1(point, { split: 'types' }), share),
      withInterval(top1(point, { label: 'previous' }), share),
    ]);
  const name = result.variants.length > 1 ? `, ${variant.variant} model` : '';
  const head = ['layer', 'input', 'shuffled labels', 'residual itself', 'unseen types', 'previous'];
  return `Top-1 accuracy of the probes, %${name}\n${table(head, 'lrrrrr', rows, width)}`;
}

function variantText(result: ProbeResult, variant: Variant): string {
  const name = result.variants.length > 1 ? `The ${variant.variant} model. ` : '';
  return [
    `${name}The input token’s embedding, predicted at each layer`,
    readTable(variant, { label: 'input', split: 'positions', target: 'embedding' }),
    'Baselines (R², top 1)',
    baselineTable(variant),
    'Held-out token types',
    readTable(variant, { label: 'input', split: 'types', target: 'embedding' }),
    'The token itself, not its embedding',
    readTable(variant, { label: 'input', split: 'positions', target: 'token' }),
    'Top 1 by token frequency in the text',
    bandTable(variant),
    'The previous token',
    readTable(variant, { label: 'previous', split: 'positions', target: 'embedding' }),
    'The previous token, held-out types',
    readTable(variant, { label: 'previous', split: 'types', target: 'embedding' }),
    'The previous token itself',
    readTable(variant, { label: 'previous', split: 'positions', target: 'token' }),
    ...(['embed', 'unembed'] as const).flatMap((matrix) => [
      wrap(
        `Similarity of the token probe's matrix to ${result.rules.matrices[matrix]}, ${integer(result.compared)} tokens`,
      ),
      resemblanceTable(variant, matrix),
    ]),
    ...(['embed', 'unembed'] as const).flatMap((basis) =>
      (['weight', 'signal'] as const).flatMap((of) => [
        wrap(
          `${of === 'weight' ? "Share of the token probe's squared weight" : 'Share of its output'} over eighths of the ` +
            `principal components of ${result.rules.matrices[basis]}`,
        ),
        weightTable(result, variant, basis, of),
      ]),
    ),
    ...(['r2', 'top1'] as const).flatMap((of) => [
      wrap(
        `${of === 'r2' ? 'R²' : 'Top 1'} of the input, predicted from a subspace: leading and trailing components of ` +
          `${result.rules.matrices.unembed}, random directions; ${partSizes(variant).join(', ')} of them`,
      ),
      partTable(variant, of),
    ]),
  ]
    .join('\n\n')
    .replaceAll(/\n\n(?=layer |share )/g, '\n');
}

function readTable(variant: Variant, task: Omit<Wanted, 'map'>): string {
  const own = (point: PointEvaluation, map: MapKind) => readingAt(point.readings, { ...task, map });
  const rows = variant.points.map((point) => [
    point.point,
    withInterval(own(point, 'probe')?.r2, plain),
    task.target === 'embedding' ? plain(own(point, 'probe')?.cosine.value) : '',
    withInterval(own(point, 'probe')?.top1, share),
    share(own(point, 'probe')?.top5.value),
    plain(own(point, 'pooled')?.r2.value),
    share(own(point, 'pooled')?.top1.value),
  ]);
  const mean = readingAt(variant.chance, { ...task, map: 'mean' });
  rows.push(['mean', plain(mean?.r2.value), '', share(mean?.top1.value), share(mean?.top5.value), '', '']);
  return table(['layer', 'R²', 'cosine', 'top 1, %', 'top 5', 'pooled R²', 'top 1'], 'lrrrrrr', rows);
}

function baselineTable(variant: Variant): string {
  const cell = (point: PointEvaluation, map: MapKind, split: Wanted['split']) => {
    const reading = readingAt(point.readings, { map, split, label: 'input', target: 'embedding' });
    return [plain(reading?.r2.value), share(reading?.top1.value)];
  };
  const rows = variant.points.map((point) => [
    point.point,
    ...cell(point, 'identity', 'positions'),
    ...cell(point, 'shuffled', 'positions'),
    ...cell(point, 'random', 'positions'),
    ...cell(point, 'identity', 'types'),
  ]);
  const head = ['layer', 'identity', '', 'shuffled', '', 'random', '', 'identity, held out', ''];
  return table(head, 'lrrrrrrrr', rows);
}

function bandTable(variant: Variant): string {
  const task = { map: 'probe', label: 'input', split: 'positions', target: 'embedding' } as const;
  const first = variant.points[0] && readingAt(variant.points[0].readings, task);
  const bands = first?.bands.filter(({ rows }) => rows > 0) ?? [];
  const names = bands.map(({ from, rows }) => `from ${integer(from)} (${integer(rows)})`);
  const rows = variant.points.map((point) => {
    const reading = readingAt(point.readings, task);
    return [point.point, ...bands.map(({ from }) => share(reading?.bands.find((band) => band.from === from)?.top1))];
  });
  return table(['layer', ...names], `l${'r'.repeat(names.length)}`, rows);
}

const measures = {
  rowCosine: 'row cosine',
  cka: 'CKA',
  hiddenSpace: 'hidden space',
  tokenSpace: 'token space',
} as const satisfies Record<keyof Resemblance, string>;
const measureNames = ['rowCosine', 'cka', 'hiddenSpace', 'tokenSpace'] as const;

function resemblanceTable(variant: Variant, matrix: 'embed' | 'unembed'): string {
  const rows = variant.points.map(({ point, resemblance }) => [
    point,
    ...measureNames.map((name) => plain(resemblance[matrix][name].value)),
  ]);
  const range = (of: (likeness: Likeness) => Chance | null) =>
    measureNames.map((name) => {
      const draws = variant.points.flatMap(({ resemblance }) => of(resemblance[matrix][name]) ?? []);
      if (draws.length === 0) return '–';
      return `${plain(Math.min(...draws.map(({ least }) => least)))}…${plain(Math.max(...draws.map(({ most }) => most)))}`;
    });
  rows.push(['rows permuted', ...range(({ permuted }) => permuted)]);
  rows.push(['random', ...range(({ random }) => random)]);
  return table(['layer', ...measureNames.map((name) => measures[name])], 'lrrrr', rows);
}

function weightTable(
  result: ProbeResult,
  variant: Variant,
  basis: 'embed' | 'unembed',
  of: 'weight' | 'signal',
): string {
  const own = result.ownShares[basis];
  const cells = (shares: readonly number[]) => shares.map((each) => percent(each, 1).replace(' %', ''));
  const runs = own.embed.length;
  const rows = variant.points.map(({ point, weights }) => [point, ...cells(weights[basis][of])]);
  rows.push(['embedding', ...cells(own.embed)], ['unembedding', ...cells(own.unembed)]);
  rows.push(['chance', ...cells(Array.from({ length: runs }, () => 1 / runs))]);
  return table(['layer', ...Array.from({ length: runs }, (_, i) => `${i + 1}/${runs}`)], `l${'r'.repeat(runs)}`, rows);
}

function partSizes({ points }: Variant): number[] {
  const sizes = points[0]?.parts.map(({ dimensions }) => dimensions) ?? [];
  return [...new Set(sizes)].sort((a, b) => a - b);
}

function partTable(variant: Variant, of: 'r2' | 'top1'): string {
  const short = { leading: 'lead', trailing: 'trail', random: 'rand' } as const;
  const columns = partSizes(variant).flatMap((dimensions) =>
    (['leading', 'trailing', 'random'] as const).map((part) => ({ part, dimensions })),
  );
  const rows = variant.points.map(({ point, readings, parts }) => {
    const cell = (value: Estimate | undefined) => (of === 'r2' ? plain(value?.value) : share(value?.value));
    const whole = readingAt(readings, { map: 'probe', label: 'input', split: 'positions', target: 'embedding' });
    return [
      point,
      ...columns.map(({ part, dimensions }) =>
        cell(parts.find((one) => one.part === part && one.dimensions === dimensions)?.reading[of]),
      ),
      cell(whole?.[of]),
    ];
  });
  const head = ['layer', ...columns.map(({ part }) => short[part]), 'all'];
  return table(head, `l${'r'.repeat(head.length - 1)}`, rows);
}

const plain = (value: number | undefined) => {
  if (value === undefined) return '';
  return Math.abs(value) >= 100 ? value.toExponential(1) : value.toFixed(3).replace(/^-(0\.0+)$/, '$1');
};
const share = (value: number | undefined) => (value === undefined ? '' : percent(value).replace(' %', ''));

/** A figure and half its interval, which is not symmetric: the JSON has both ends. */
function withInterval(estimate: Estimate | undefined, show: (value: number) => string): string {
  if (!estimate) return '';
  const { value, interval } = estimate;
  // Where no document differs from another there is nothing to resample.
  return interval && interval[0] < interval[1]
    ? `${show(value)} ±${show((interval[1] - interval[0]) / 2)}`
    : show(value);
}

function rulesText({ rules, seed, variants, precision, text }: ProbeResult, width: number): string {
  const judged = readingAt(variants[0]?.points[0]?.readings ?? [], {
    map: 'probe',
    label: 'input',
    split: 'positions',
    target: 'embedding',
  });
  return wrap(
    `${layerRule} Positions: ${rules.positions}. ` +
      `Ridge regressions in float64, ${precision}, seed ${seed}: ${rules.split}. Test set: ${counted(judged?.rows ?? 0, 'position')}. ` +
      `${rules.reading}. Pooled: one probe for all layers, trained on one layer per position, drawn at random. Identity: the ` +
      'residual itself. Shuffled: labels shuffled before training. Random: the probe’s singular values between random ' +
      `directions. Similarity: ${rules.resemblance}.${intervalText(text, `± is half an interval: ${rules.intervals}`)}`,
    width,
  );
}

/** A figure over depth, of all variants. */
function depthChart(
  { variants, points }: ProbeResult,
  of: 'r2' | 'top1',
  label: 'input' | 'previous' = 'input',
): LineChart {
  const kinds: readonly (readonly [string, Omit<Wanted, 'label'>])[] = [
    ['probe', { map: 'probe', split: 'positions', target: 'embedding' }],
    ['pooled', { map: 'pooled', split: 'positions', target: 'embedding' }],
    ['held-out types', { map: 'probe', split: 'types', target: 'embedding' }],
    ...(of === 'top1'
      ? ([
          ['identity', { map: 'identity', split: 'positions', target: 'embedding' }],
          ['shuffled', { map: 'shuffled', split: 'positions', target: 'embedding' }],
        ] as const)
      : []),
  ];
  const series = variants.flatMap((variant) =>
    kinds.map(([name, wanted]) => ({
      name: variants.length > 1 ? `${name}, ${variant.variant}` : name,
      points: variant.points.flatMap(({ readings }, x) => {
        const found = readingAt(readings, { ...wanted, label })?.[of];
        if (!found) return [];
        const [low, high] = found.interval ?? [];
        return [{ x, y: found.value, ...(low === undefined || high === undefined ? {} : { low, high }) }];
      }),
    })),
  );
  const what = of === 'r2' ? 'R²' : 'top-1 accuracy';
  return {
    title: label === 'input' ? 'The input token over depth' : 'The previous token over depth',
    x: { label: `layer, 0 ${itemAt(points, 0)} to ${points.length - 1} the last block` },
    y: { label: what },
    series,
  };
}

/** R² and top 1 of the input and of the previous token. */
export function probeCharts(result: ProbeResult): LineChart[] {
  return (['input', 'previous'] as const).flatMap((label) =>
    (['r2', 'top1'] as const).map((of) => depthChart(result, of, label)),
  );
}

/** The input probe's weight over a basis, for each variant. */
export function weightMap(result: ProbeResult, variant: Variant, basis: 'embed' | 'unembed'): HeatMap {
  const own = result.ownShares[basis];
  const named = result.variants.length > 1 ? `, ${variant.variant} model` : '';
  return {
    title: `Share of the token probe's squared weight in the principal components of ${result.rules.matrices[basis]}${named}`,
    rowLabel: 'layer',
    rows: [...variant.points.map(({ point }) => point).reverse(), 'embedding', 'unembedding'],
    columnLabel: 'eighth',
    columns: own.embed.map((_, i) => String(i + 1)),
    values: [...variant.points.map(({ weights }) => weights[basis].weight).reverse(), own.embed, own.unembed],
  };
}
