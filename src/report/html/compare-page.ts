// Several studies → one page that shows them on the same axes.
import { itemAt } from '../../platform/indexing.ts';
import type { Study } from '../../results/study.ts';
import { bySeries, type Cells, cellName, gridCells, pcaOf, variedAxes } from '../cells.ts';
import { counted } from '../format.ts';
import { directionsText, pointOf, scores, scoresIn, scoreTip } from '../scores.ts';
import type { Series } from './axes.ts';
import { contentsHtml, type Figure, type Section, sectionsHtml } from './figure.ts';
import {
  commandHtml,
  factsHtml,
  footer,
  type Head,
  hash,
  headHtml,
  modelFact,
  modelName,
  versionsFact,
} from './header.ts';
import { html } from './html.ts';
import { pageHtml } from './page.ts';
import { pairsFigure } from './pairs.ts';
import { type Line, panelSvg } from './panels.ts';
import { textRule } from './rules.ts';
import { number, scoreCells, scoreHeads } from './table.ts';

/** A study, or a run as a study of one cell, and what it is called here. */
export interface Entry {
  readonly label: string;
  readonly study: Study;
  readonly cells: Cells;
}

const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross'] as const;

/**
 * The page of several studies, as one HTML document.
 * @param command by which it can be made again
 * @param more sections that follow the studies' own
 */
export async function comparePage(
  entries: readonly Entry[],
  command: string,
  more: readonly Section[] = [],
): Promise<string> {
  const pairs = await Promise.all(
    entries.map(async ({ label, study, cells }) => {
      const found = await pairsFigure(study, cells);
      return found && { ...found, title: `${label}. ${found.title}` };
    }),
  );
  const sections = [
    { id: 'losses', title: 'Loss', figures: await lossFigures(entries) },
    {
      id: 'pairs',
      title: 'Matched comparisons within each study',
      figures: pairs.filter((each) => each !== undefined),
    },
    studiesSection(entries),
    ...more,
  ].filter(({ figures, ...rest }) => figures.length > 0 || 'rest' in rest) satisfies Section[];
  const head = headOf(entries, command);
  return pageHtml(
    head.title,
    html`${headHtml(head, contentsHtml(sections))}<main>\n${sectionsHtml(sections)}</main>\n${footer}`,
  );
}

function headOf(entries: readonly Entry[], command: string): Head {
  const labels = entries.map(({ label }) => label);
  const apart = apartText(entries);
  return {
    kind: 'Studies by surgery, side by side',
    title: labels.join(' · '),
    lead:
      apart === undefined
        ? 'The model, the tokens of the text, the scoring rule, the precision and the versions are the same: all figures can be compared with each other.'
        : undefined,
    ...(apart === undefined ? {} : { notice: apart }),
    command,
    facts: [],
    glance: [],
  };
}

/** A setting that decides whether figures can be compared. */
interface Aspect {
  readonly name: string;
  /** Equal where the setting is; undefined where it is not known. */
  readonly identity: (study: Study) => string | undefined;
  readonly words: (study: Study) => string;
}

const aspects: readonly Aspect[] = [
  { name: 'the model', identity: ({ model }) => model.sha256, words: ({ model }) => modelName(model.ref) },
  {
    name: 'the text',
    identity: ({ context }) => context.documents || undefined,
    words: ({ text }) => `${text.text}, ${counted(text.tokens, 'token')}`,
  },
  { name: 'the scoring rule', identity: ({ text }) => text.rule, words: ({ text }) => text.rule },
  { name: 'the precision', identity: ({ context }) => context.precision, words: ({ context }) => context.precision },
  { name: 'the versions', identity: ownVersions, words: ownVersions },
];

function ownVersions({ context: { versions } }: Study): string {
  return `surgery ${versions.surgery}, onnxruntime ${versions.onnxruntime}`;
}

/** What keeps the studies' figures from being compared, or may do so, in sentences. Undefined if nothing does. */
function apartText(entries: readonly Entry[]): string | undefined {
  const identities = ({ identity }: Aspect) => entries.map(({ study }) => identity(study));
  const differ = aspects.filter((aspect) => new Set(identities(aspect).filter((one) => one !== undefined)).size > 1);
  const unknown = aspects.filter((aspect) => !differ.includes(aspect) && identities(aspect).includes(undefined));
  const parts = differ.map(({ name, words }) => {
    const values = [...new Set(entries.map(({ study }) => words(study)))];
    return values.length > 1 ? `${name} (${values.join('; ')})` : `${name} (${values[0]}, but not the same)`;
  });
  const sentences = [
    parts.length > 0 && `These studies differ in ${parts.join(', ')}.`,
    ...unknown.map(({ name, identity }) => {
      const without = entries.filter(({ study }) => identity(study) === undefined).map(({ label }) => label);
      return `Whether ${name} is the same is not known: ${without.join(', ')} ${without.length > 1 ? 'hold' : 'holds'} no hash of it.`;
    }),
  ].filter((one) => one !== false);
  return sentences.length > 0 ? sentences.join(' ') : undefined;
}

/** One line per study and mode; perplexity as a multiple of each study's own original. */
async function lossFigures(entries: readonly Entry[]): Promise<Figure[]> {
  const lines = entries.flatMap(({ label, study, cells }) =>
    [...bySeries(gridCells(study, cells), study)].map(([name, own]) => ({ name: `${label}: ${name}`, own, study })),
  );
  const series = lines.map(
    ({ name, own: [first] }, i): Series => ({
      name,
      colour: `s${i % 8}`,
      shape: shapes[i % shapes.length] ?? 'circle',
      dashed: first !== undefined && pcaOf(first)?.match !== undefined,
    }),
  );
  const figures: Figure[] = [];
  for (const axis of variedAxes(lines.flatMap(({ own }) => own))) {
    const panels = [];
    for (const score of scoresIn('chart of several')) {
      const { title = '', unit } = score;
      const drawn = lines.flatMap(({ own, study }, i): Line[] => {
        const look = series[i];
        const marks = own.flatMap((cell) => {
          const x = axis.of(cell);
          const tip = `${look?.name}\n${cellName(cell, study)}\n${scoreTip(cell)}`;
          return x === undefined ? [] : [{ x, ...pointOf(score, cell), tip }];
        });
        return look ? [{ series: look, marks: marks.sort((a, b) => a.x - b.x) }] : [];
      });
      const svg = await panelSvg({
        about: `${title} over ${axis.label}, one line per study and mode; the table holds the numbers`,
        x: { label: axis.label, ...(axis.key === 'parameters' ? { format: '.0%' } : {}) },
        y: { label: unit, log: true },
        lines: drawn,
      });
      panels.push({ title, svg });
    }
    figures.push({
      title: `Perplexity and KL over ${axis.label}`,
      caption: `${rulesOf(entries)} Error bars: each study’s own intervals. Logarithmic y axis.`,
      notShown: notShown(entries),
      panels,
      legend: series,
    });
  }
  return [...figures, cellsFigure(entries)];
}

function notShown(entries: readonly Entry[]): string {
  const apart = apartText(entries);
  const why =
    apart === undefined
      ? 'Lines of different studies are not paired, although all were scored on the same text. '
      : `${apart} Lines of different studies are not paired, and the operation need not be the cause of a gap between them. `;
  return `${why}Points at the same x need not have equal budgets.`;
}

function rulesOf(entries: readonly Entry[]): string {
  const rules = [...new Set(entries.map(({ study }) => textRule(study.text)))];
  if (rules.length === 1) return itemAt(rules, 0);
  return entries.map(({ label, study }) => `${label}: ${textRule(study.text)}`).join(' ');
}

function cellsFigure(entries: readonly Entry[]): Figure {
  const rows = entries.flatMap(({ label, study, cells }) =>
    gridCells(study, cells).map((cell) => ({ label, study, cell })),
  );
  const columns = scoresIn(
    'cells',
    rows.map(({ cell }) => cell),
  );
  return {
    title: 'Every cell of every study',
    caption: `${rulesOf(entries)} ${directionsText(columns)}`,
    panels: [],
    table: {
      name: 'cells',
      about: 'Cells of all studies',
      head: ['study', 'cell', ...scoreHeads(columns), '>original’s perplexity'],
      rows: rows.map(({ label, study, cell }) => [
        label,
        cellName(cell, study),
        ...scoreCells(columns, cell),
        number(study.original?.scores.perplexity, scores.perplexity.format),
      ]),
    },
    open: true,
  };
}

/** What the head of each study's own page shows. */
function studiesSection(entries: readonly Entry[]): Section {
  return {
    id: 'studies',
    title: 'The studies',
    figures: [],
    rest: html`${entries.map(
      ({ label, study }) =>
        html`<h3>${label}</h3>${commandHtml(study.command)}${factsHtml([
          ['Model', modelFact(study.model)],
          ['Cells', counted(study.cells.length, 'cell')],
          ['Text', textRule(study.text)],
          ['Versions', versionsFact(study.context.versions)],
          ['SHA-256 of the weights', hash(study.model.sha256)],
          ...(study.context.documents ? [['of the documents’ tokens', hash(study.context.documents)] as const] : []),
        ])}`,
    )}`,
  };
}
