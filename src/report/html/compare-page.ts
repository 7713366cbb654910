// Several studies → one page that shows them on the same axes.
import type { CellResult, Study } from '../../results/study.ts';
import { bySeries, type CellAxis, type Cells, cellCountText, cellName, gridCells, pcaOf } from '../cells.ts';
import { trusted, trustedCells, withoutIntervalsWords } from '../findings.ts';
import { sentence } from '../format.ts';
import {
  barsText,
  directionsText,
  pointOf,
  type ScoreDescription,
  scores,
  scoresIn,
  scoreTip,
  valueText,
  worseNotes,
} from '../scores.ts';
import { apartText, type Compared, settingsOfStudy } from './apart.ts';
import { type Scale, type Series, withMargin } from './axes.ts';
import { contentsHtml, type Figure, type Section, sectionsHtml, type Tab } from './figure.ts';
import {
  commandHtml,
  factsHtml,
  footer,
  type Head,
  hash,
  headHtml,
  modelFact,
  modelFacts,
  modelName,
  versionsFact,
} from './header.ts';
import { html } from './html.ts';
import { drawnAxes, klFigure } from './losses.ts';
import { pageHtml } from './page.ts';
import { pairsFigure } from './pairs.ts';
import { type Mark, panelSvg } from './panels.ts';
import { scoringFacts, textFact } from './rules.ts';
import { number, scoreCells, scoreHeads } from './table.ts';

/** A study, or a run as a study of one cell, and what it is called here. */
export interface Entry {
  readonly label: string;
  readonly study: Study;
  readonly cells: Cells;
}

const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross'] as const;

/** Names of folders that a title takes. */
const mostInTitle = 3;

/**
 * The page of several studies, as one HTML document.
 * @param command by which it can be made again
 * @param more sections that follow the studies' own
 */
export async function comparePage(
  whole: readonly Entry[],
  command: string,
  more: readonly Section[] = [],
): Promise<string> {
  const entries = whole.map(({ label, study, cells }) => ({
    label,
    study: trusted(study, study.text),
    cells: trustedCells(cells, study.text),
  }));
  const pairs = await pairsFigure(entries);
  const sections: Section[] = [
    { id: 'losses', title: 'Loss', figures: [cellsFigure(entries), ...(await lossFigures(entries))] },
    ...(pairs ? [{ id: 'pairs', title: 'Matched comparisons within each study', figures: [pairs] }] : []),
    studiesSection(entries),
    ...more,
  ];
  const head = headOf(entries, command);
  return pageHtml(
    head.title,
    html`${headHtml(head, contentsHtml(sections))}<main>\n${sectionsHtml(sections)}</main>\n${footer}`,
  );
}

function headOf(entries: readonly Entry[], command: string): Head {
  const labels = entries.map(({ label }) => label);
  const apart = apartOf(entries);
  const models = [...new Set(entries.map(({ study }) => modelName(study.model.ref)))];
  const texts = [...new Set(entries.map(({ study }) => textFact(study.text)))];
  return {
    kind: 'Studies by surgery, side by side',
    title: labels.length <= mostInTitle ? labels.join(' · ') : `${labels.length} studies side by side`,
    lead:
      apart === undefined
        ? 'The model, the tokens of the text, the scoring rule, the precision and the versions are the same: all figures can be compared with each other.'
        : undefined,
    ...(apart === undefined ? {} : { notice: apart }),
    command,
    facts: [
      [models.length > 1 ? 'Models' : 'Model', models.join(', ')],
      ['Studies', labels.join(', ')],
      [texts.length > 1 ? 'Texts' : 'Text', texts.join('; ')],
    ],
    made: [['Rules', rulesOf(entries)]],
    glance: glanceOf(entries),
  };
}

/** What keeps the studies' figures from being compared, or may do so. */
const apartOf = (entries: readonly Entry[]) => apartText('These studies', entries.map(comparedStudy));

/** A study's settings, to be compared with those of other results. */
export function comparedStudy({ label, study }: Entry): Compared {
  return { label, settings: settingsOfStudy(study) };
}

/** How many studies there are, and which of their cells lose least and most. */
function glanceOf(entries: readonly Entry[]): Head['glance'] {
  const all = entries.flatMap(({ label, study, cells }) =>
    gridCells(study, cells).map((cell) => ({ name: `${label}: ${cellName(cell, study)}`, cell })),
  );
  const ordered = all.toSorted((a, b) => a.cell.scores.kl - b.cell.scores.kl);
  const [least, most] = [ordered[0], ordered.at(-1)];
  if (!least || !most) return [];
  const card = (what: string, { name, cell }: typeof least) =>
    [valueText('kl', cell), `${what} KL from the original (nats/token): ${name}`] as const;
  return [
    [`${all.length}`, `cells in ${entries.length} studies`],
    card('smallest', least),
    ...(most === least ? [] : [card('largest', most)]),
  ];
}

/** A line of a study: its cells of one mode. */
interface StudyLine {
  readonly name: string;
  readonly own: readonly CellResult[];
  readonly study: Study;
  readonly series: Series;
}

/** One line per study and mode; perplexity relative to each study's own original. */
async function lossFigures(entries: readonly Entry[]): Promise<Figure[]> {
  const lines = entries
    .flatMap(({ label, study, cells }) =>
      [...bySeries(gridCells(study, cells), study)].map(([name, own]) => ({ name: `${label}: ${name}`, own, study })),
    )
    .map((line, i): StudyLine => ({ ...line, series: seriesOf(line, i) }));
  const tabs: Tab[] = [];
  for (const axis of drawnAxes(lines.map(({ own }) => own)))
    tabs.push({
      name: sentence(axis.key),
      panels: lines.length > mostTogether ? await onePanelEach(lines, axis) : await together(lines, axis),
    });
  const rows = entries.flatMap(({ label, study, cells }) =>
    gridCells(study, cells).map((cell) => ({ name: `${label}: ${cellName(cell, study)}`, cell })),
  );
  if (tabs.length === 0) {
    const figure = await klFigure(rows);
    return figure ? [{ ...figure, notShown: notShown(entries) }] : [];
  }
  const isTogether = lines.length <= mostTogether;
  return [
    {
      title: isTogether ? 'Perplexity and KL of every study' : 'KL of every study, in each panel among all others',
      caption: [
        barsText(
          rows.map(({ cell }) => cell.scores),
          'each study’s own 95 % intervals',
        ),
        'Log-scale y axis.',
        isTogether ? '' : ' Grey: the other studies, on the same axes.',
      ].join(''),
      notShown: notShown(entries),
      scored: true,
      panels: [],
      tabs,
      layout: isTogether ? 'few' : 'third',
      ...(isTogether ? { legend: lines.map(({ series }) => series) } : {}),
    },
  ];
}

/** Lines that one panel can hold apart by colour. */
const mostTogether = 8;

function seriesOf({ name, own: [first] }: Omit<StudyLine, 'series'>, i: number): Series {
  return {
    name,
    colour: `s${i % 8}`,
    shape: shapes[i % shapes.length] ?? 'circle',
    dashed: first !== undefined && pcaOf(first)?.match !== undefined,
  };
}

function marksOf({ own, study, name }: StudyLine, axis: CellAxis, score: ScoreDescription): Mark[] {
  return own
    .flatMap((cell) => {
      const x = axis.of(cell);
      const tip = `${name}\n${cellName(cell, study)}\n${scoreTip(cell)}`;
      return x === undefined ? [] : [{ x, ...pointOf(score, cell), tip }];
    })
    .sort((a, b) => a.x - b.x);
}

/** All lines in one panel for each score. */
async function together(lines: readonly StudyLine[], axis: CellAxis): Promise<Tab['panels']> {
  const panels = [];
  for (const score of scoresIn('chart of several')) {
    const { title = '', unit } = score;
    const svg = await panelSvg({
      about: `${title} over ${axis.label}, one line per study and mode; the table holds the numbers`,
      x: scaleOf(axis),
      y: { label: unit, log: true },
      lines: lines.map((line) => ({ series: line.series, marks: marksOf(line, axis, score) })),
    });
    panels.push({ title, svg });
  }
  return panels;
}

/** The KL of a line in a panel of its own, with all others in grey behind it. */
async function onePanelEach(lines: readonly StudyLine[], axis: CellAxis): Promise<Tab['panels']> {
  const drawn = lines
    .map((line) => ({ line, marks: marksOf(line, axis, scores.kl) }))
    .filter(({ marks }) => marks.length > 0);
  const marks = drawn.flatMap((one) => one.marks);
  const [xs, ys] = [marks.map(({ x }) => x), marks.map(({ y }) => y).filter((y) => y > 0)];
  const panels = [];
  for (const { line, marks: own } of drawn) {
    const others = drawn.filter((one) => one.line !== line);
    const svg = await panelSvg({
      about: `KL over ${axis.label} of ${line.name} among all; the table holds the numbers`,
      x: { ...scaleOf(axis), domain: [Math.min(...xs), Math.max(...xs)], ticks: 3 },
      y: { label: 'KL, nats/token', log: true, domain: withMargin(ys) },
      lines: [
        ...others.map((one) => ({ series: backdrop, curve: one.line.name, marks: one.marks })),
        { series: { name: '', colour: 's0', shape: 'circle' as const }, marks: own },
      ],
      size: [200, 130],
    });
    panels.push({ title: line.name, svg });
  }
  return panels;
}

const backdrop: Series = { name: '', colour: 'axis' };

function scaleOf({ key, label }: CellAxis): Scale {
  return { label, ...(key === 'parameters' ? { format: '.0%' } : {}) };
}

function notShown(entries: readonly Entry[]): string {
  const why =
    apartOf(entries) === undefined
      ? 'Lines of different studies are not paired, although all were scored on the same text. '
      : 'The studies differ, or may do so, as the top of the page says: lines of different studies are not paired, and the operation need not be the cause of a gap between them. ';
  return `${why}Points at the same x need not have equal budgets.`;
}

function rulesOf(entries: readonly Entry[]): string {
  const rules = new Map<string, string[]>();
  for (const { label, study, cells } of entries) {
    const scored = [...cells.values()].map(({ scores }) => scores);
    const rule = scoringFacts(study.text, scored)
      .map(([name, value]) => `${name}: ${value}`)
      .join(' ');
    rules.set(rule, [...(rules.get(rule) ?? []), label]);
  }
  return [...rules].map(([rule, labels]) => (rules.size > 1 ? `${labels.join(', ')}: ${rule}` : rule)).join(' ');
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
    caption: [
      directionsText(columns),
      ...withoutIntervalsWords(entries.map(({ label, study }) => ({ label, text: study.text }))),
      ...worseNotes(rows.map(({ cell }) => cell)),
    ].join(' '),
    scored: true,
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
      ({ label, study, cells }) =>
        html`<details><summary>${label}</summary>${commandHtml(study.command)}${factsHtml([
          ['Model', modelFact(study.model)],
          ['Cells', cellCountText(study, cells)],
          ['Text', textFact(study.text)],
          ['Versions', versionsFact(study.context.versions)],
          ...modelFacts(study.model),
          ...(study.context.documents
            ? [['SHA-256 of the documents’ tokens', hash(study.context.documents)] as const]
            : []),
        ])}</details>`,
    )}`,
  };
}
