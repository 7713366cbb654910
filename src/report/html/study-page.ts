// study.json and its cells → their page: a sweep or a sensitivity study.

import type { SamplingInfo } from '../../results/shapes.ts';
import type { CellResult, SensitivityResult, Study } from '../../results/study.ts';
import {
  type Cells,
  cellCountText,
  cellName,
  gridCells,
  inOrder,
  keptText,
  otherCellsText,
  pcaOf,
  unitName,
  unitNames,
  unitWords,
} from '../cells.ts';
import { areMany, trusted, trustedCells } from '../findings.ts';
import { counted, listed, percent, short, signed } from '../format.ts';
import { sizeText, valueText } from '../scores.ts';
import {
  breakingPoints,
  cheapest,
  isBroken,
  isOfGuesses,
  largestEffects,
  singleEffects,
  studyVerdict,
} from '../verdict.ts';
import { contentsHtml, type Section, sectionsHtml } from './figure.ts';
import { footer, type Head, hash, headHtml, modelFact, modelFacts, modelName, versionsFact } from './header.ts';
import { html } from './html.ts';
import { lossesSection } from './losses.ts';
import { pageHtml } from './page.ts';
import { comparisonsSection, pairCounts } from './pairs.ts';
import { calibrationFacts, samplingRule, scoringFacts, textFacts, withLeak } from './rules.ts';
import { type Comparison, comparison, samplesSection } from './samples.ts';
import { sensitivitySection } from './sensitivity.ts';
import { weightsSection } from './spectra.ts';
import { tasksSection } from './tasks.ts';

/** Comparisons of samples that are open when the page loads. */
const mostOpen = 4;

/**
 * The report of a study, as one HTML document. The same study and cells always give the same bytes.
 * @param more sections that follow the study's own
 */
export async function studyPage(whole: Study, all: Cells, more: readonly Section[] = []): Promise<string> {
  const [study, cells] = [trusted(whole, whole.text), trustedCells(all, whole.text)];
  const head = headOf(study, cells);
  const own = (await sectionsOf(study, cells)).filter(({ figures, rest }) => figures.length > 0 || rest !== undefined);
  const sections = withLeak([...own, ...more], study.calibration);
  return pageHtml(
    head.title,
    html`${headHtml(head, contentsHtml(sections))}<main>\n${sectionsHtml(sections)}</main>\n${footer}`,
  );
}

/** What the page shows, in its order. */
async function sectionsOf(study: Study, cells: Cells): Promise<Section[]> {
  const { sensitivity, original, tasks, context } = study;
  const answered = original?.tasks
    ? [
        { name: 'original', scores: original.tasks },
        ...gridCells(study, cells).flatMap((cell) =>
          cell.tasks ? [{ name: cellName(cell, study), scores: cell.tasks }] : [],
        ),
      ]
    : [];
  const rule = context.sampling ? samplingRule(context.sampling as SamplingInfo, study.notes) : '';
  const sections = [
    samplesSection(comparisonsOf(study, cells), rule, 'cells.jsonl'),
    sensitivity ? await sensitivitySection(sensitivity, cells) : await lossesSection(study, cells),
    await comparisonsSection(study, cells),
    tasks && (await tasksSection(tasks, answered)),
    await weightsSection(study.curves, mainCells(study, cells)),
  ];
  return sections.filter((each): each is Section => each !== undefined);
}

function headOf(study: Study, cells: Cells): Head {
  const { model, context, text, tasks } = study;
  const shown = gridCells(study, cells);
  const there = inOrder(study, cells).length;
  const scored = [...cells.values()].map(({ scores }) => scores);
  const others = otherCellsText(study, cells);
  return {
    kind: study.sensitivity
      ? 'A sensitivity study by surgery: one unit at a time'
      : 'A sweep by surgery: many operations on one model',
    title: `${modelName(model.ref)}: ${titleOf(shown, study)}${study.sensitivity ? `, one ${unitWords[study.sensitivity.by]} at a time` : ''}`,
    verdict: studyVerdict(study, cells),
    ...(study.complete
      ? {}
      : { notice: `${there} of ${counted(study.cells.length, 'cell')} are done: the study is not finished.` }),
    command: study.command,
    glance: glanceOf(study, cells),
    facts: [
      ['Model', modelFact(model)],
      ['Cells', [cellCountText(study, cells), ...(others ? [others] : [])].join('; ')],
      ...textFacts(text, []),
      ...calibrationFacts(study.calibration),
      ...(tasks ? [['Questions', tasks.file] as const] : []),
      ['Versions', versionsFact(context.versions)],
    ],
    made: [
      ...scoringFacts(text, scored),
      ...(tasks ? [['Questions', tasks.rule] as const] : []),
      [
        'Precision',
        `${context.precision}; PCA: ${context.engine}; weights written in ${context.dtype === 'source' ? "the source's dtype" : context.dtype}`,
      ],
      ...modelFacts(model),
      ['SHA-256 of the documents’ tokens', hash(context.documents)],
      ...(context.prompts ? [['SHA-256 of the prompts’ tokens', hash(context.prompts)] as const] : []),
      ...(context.tasks ? [['SHA-256 of the questions', hash(context.tasks)] as const] : []),
    ],
  };
}

/** Modes and what they keep, where all cells are PCAs; else the cells' names, as many as fit. */
function titleOf(shown: readonly CellResult[], study: Study): string {
  const operations = shown.flatMap((cell) => pcaOf(cell) ?? []);
  if (operations.length < shown.length || shown.length === 0) {
    const names = shown.map((cell) => cellName(cell, study));
    return names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
  }
  const modes = [...new Set(operations.map(({ mode }) => mode))];
  const distinct = (values: readonly (number | undefined)[]) =>
    [...new Set(values)].filter((value) => value !== undefined);
  const [variances, ranks] = [
    distinct(operations.map(({ variance }) => variance)),
    distinct(operations.map(({ rank }) => rank)),
  ];
  const kept = [
    ...(variances.length > 0 ? [`variance ${variances.join(', ')}`] : []),
    ...(ranks.length > 0 ? [`rank ${ranks.join(', ')}`] : []),
  ];
  return `${modes.join(', ')} at ${kept.join(' and ')}`;
}

type Card = Head['glance'][number];

function glanceOf(study: Study, cells: Cells): readonly Card[] {
  const { original, sensitivity } = study;
  return [
    ...(sensitivity ? unitCards(study, sensitivity, cells) : cellCards(study, cells)),
    ...(original ? [[valueText('perplexity', original), 'perplexity of the original'] as const] : []),
  ];
}

/** The cheapest cell, where the model breaks, and who wins the pairs. */
function cellCards(study: Study, cells: Cells): Card[] {
  // What an edit changes in a model that guesses is no loss.
  const shown = isOfGuesses(study) ? [] : gridCells(study, cells);
  const found = cheapest(shown, study);
  const size = found?.cell.footprint ? `${sizeText(found.cell)}, ` : '';
  const broken = shown.filter(({ scores }) => isBroken(scores));
  const limits = [...breakingPoints(shown, study)];
  const counts = areMany(study.text) ? pairCounts(study, cells) : [];
  const pairs = counts.map(({ rule, count, cell, partner }): Card => {
    const [better, worse] = rule === 'allocate' ? ['global', 'uniform'] : ['shared', 'separate'];
    const at = rule === 'allocate' ? 'equal total rank' : `equal ${rule}`;
    return [
      `${cell} of ${count}`,
      `${count === 1 ? 'pair' : 'pairs'} at ${at} won by ${better}, ${partner} by ${worse}`,
    ];
  });
  return [
    ...(found
      ? [[cellName(found.cell, study), `${found.what}: ${size}KL ${valueText('kl', found.cell)}`] as const]
      : []),
    ...limits.map(
      ([where, series]): Card => [where, `${listed(series)} break${series.length > 1 ? '' : 's'} the model`],
    ),
    ...(limits.length === 0 && shown.length > 1
      ? [[`${broken.length} of ${shown.length}`, 'cells break the model'] as const]
      : []),
    ...pairs,
  ];
}

/** Budgets of a sensitivity study that have cards. */
const mostBudgets = 3;

/** What all units cost at once, and which of them hold most of the damage. */
function unitCards(study: Study, { by, kept, additivity }: SensitivityResult, cells: Cells): Card[] {
  return kept.slice(-mostBudgets).flatMap((budget): Card[] => {
    const i = kept.indexOf(budget);
    const at = keptText(budget) ? ` at ${keptText(budget)}` : '';
    const sum = additivity[i];
    const effects = singleEffects(study, cells, i);
    const { worst, held, total, share, sumName } = largestEffects(effects);
    const names = worst.map((effect) => unitName(by, effect));
    const [name = ''] = names;
    const those = listed(names.length > mostNamed ? [...names.slice(0, mostNamed), 'others'] : names);
    return [
      ...(sum
        ? [
            [
              signed(sum.joint),
              `ΔNLL of all at once${at} (nats/token); the single effects sum to ${signed(sum.sum)}`,
            ] as const,
          ]
        : []),
      ...(worst.length > 0 && effects.length > 1
        ? [
            [
              `${worst.length > 1 ? `${worst.length} of ${effects.length}` : name}: ${percent(share, 0)}`,
              `of ${sumName}${at} (ΔNLL ${short(held)} of ${short(total)})${worst.length > 1 ? `: ${those}` : ''}`,
            ] as const,
          ]
        : []),
    ];
  });
}

/** Units that a card names. */
const mostNamed = 3;

/** Cells without partners and controls; of a sensitivity study, those that operate on everything at once. */
function mainCells(study: Study, cells: Cells): CellResult[] {
  const joint = new Set(study.sensitivity?.joint);
  return gridCells(study, cells).filter((cell) => !pcaOf(cell)?.match && (joint.size === 0 || joint.has(cell.id)));
}

/** Samples of every cell with the original's: the grid first, then its partners, then the controls. */
function comparisonsOf(study: Study, cells: Cells): Comparison[] {
  const main = new Set(mainCells(study, cells));
  const controls = new Map(study.controls.map(({ cell, control }) => [cell, control]));
  const units = study.sensitivity ? unitNames(study.sensitivity) : undefined;
  const place = (cell: CellResult) => (main.has(cell) ? 0 : controls.has(cell.id) ? 2 : 1);
  const ordered = inOrder(study, cells)
    .filter(({ id }) => controls.get(id) !== 'none')
    .sort((a, b) => place(a) - place(b));
  return (study.original?.samples ?? []).flatMap((original, i) =>
    ordered.flatMap((cell, n): Comparison[] => {
      const own = cell.samples[i];
      if (!own) return [];
      const name = units?.get(cell.id) ?? cellName(cell, study);
      const control = controls.get(cell.id);
      const about = `Perplexity ${valueText('perplexity', cell)}, KL ${valueText('kl', cell)} nats/token on the text; top-1 agreement ${valueText('sameTop', cell)}.`;
      return [
        comparison(original, own, {
          name: control ? `${control}, ${name}` : name,
          about,
          folded: !main.has(cell) || n >= mostOpen,
        }),
      ];
    }),
  );
}
