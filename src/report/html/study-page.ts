// study.json and its cells → their page: a sweep or a sensitivity study.

import type { SamplingInfo } from '../../results/shapes.ts';
import type { CellResult, Study } from '../../results/study.ts';
import { type Cells, cellName, gridCells, inOrder, keptName, pcaOf } from '../cells.ts';
import { counted, integer, signed } from '../format.ts';
import { valueText } from '../scores.ts';
import { contentsHtml, type Section, sectionsHtml } from './figure.ts';
import { footer, type Head, hash, headHtml, modelFact, modelName, versionsFact } from './header.ts';
import { html } from './html.ts';
import { lossesSection } from './losses.ts';
import { pageHtml } from './page.ts';
import { comparisonsSection, pairCounts } from './pairs.ts';
import { samplingRule, textRule } from './rules.ts';
import { type Comparison, comparison, samplesSection } from './samples.ts';
import { sensitivitySection } from './sensitivity.ts';
import { weightsSection } from './spectra.ts';
import { tasksSection } from './tasks.ts';

/** Comparisons of samples that are open when the page loads. */
const mostOpen = 12;

/**
 * The report of a study, as one HTML document. The same study and cells always give the same bytes.
 * @param more sections that follow the study's own
 */
export async function studyPage(study: Study, cells: Cells, more: readonly Section[] = []): Promise<string> {
  const head = headOf(study, cells);
  const own = (await sectionsOf(study, cells)).filter(({ figures, rest }) => figures.length > 0 || rest !== undefined);
  const sections = [...own, ...more];
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
    sensitivity ? await sensitivitySection(study, sensitivity, cells) : await lossesSection(study, cells),
    await comparisonsSection(study, cells),
    tasks && (await tasksSection(tasks, answered)),
    samplesSection(comparisonsOf(study, cells), rule, 'cells.jsonl'),
    await weightsSection(study.curves, mainCells(study, cells)),
  ];
  return sections.filter((each): each is Section => each !== undefined);
}

function headOf(study: Study, cells: Cells): Head {
  const { model, context, text, tasks } = study;
  const shown = gridCells(study, cells);
  const there = inOrder(study, cells).length;
  return {
    kind: study.sensitivity
      ? 'A sensitivity study by surgery: one unit at a time'
      : 'A sweep by surgery: many operations on one model',
    title: `${modelName(model.ref)}: ${titleOf(shown, study)}`,
    ...(study.complete
      ? {}
      : { notice: `${there} of ${counted(study.cells.length, 'cell')} are done: the study is not finished.` }),
    command: study.command,
    glance: glanceOf(study, cells),
    facts: [
      ['Model', modelFact(model)],
      ['Cells', `${counted(there, 'cell')}, ${there - shown.length} of them controls`],
      ['Text', textRule(text)],
      ...(tasks ? [['Questions', `${tasks.file}: ${tasks.rule}`] as const] : []),
      [
        'Precision',
        `${context.precision}; PCA: ${context.engine}; weights written in ${context.dtype === 'source' ? "the source's dtype" : context.dtype}`,
      ],
      ['Versions', versionsFact(context.versions)],
      ['SHA-256 of the weights', hash(model.sha256)],
      ['of the documents’ tokens', hash(context.documents)],
      ...(context.prompts ? [['of the prompts’ tokens', hash(context.prompts)] as const] : []),
      ...(context.tasks ? [['of the questions', hash(context.tasks)] as const] : []),
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
  const kept = [...new Set(operations.map(keptName))];
  return `${modes.join(', ')} at ${operations.every(({ rank }) => rank === undefined) ? 'variance ' : ''}${kept.join(', ')}`;
}

function glanceOf(study: Study, cells: Cells): Head['glance'] {
  const { original, text, sensitivity } = study;
  const base = original
    ? [[valueText('perplexity', original), `perplexity of the original, over ${integer(text.tokens)} tokens`] as const]
    : [];
  const pairs = pairCounts(study, cells).map(({ rule, count, cell, partner }) => {
    const [better, worse] =
      rule === 'allocate' ? ['spread ranks', 'uniform ones'] : ['the shared cell', 'its separate partner'];
    const others = partner > 0 ? `, ${worse} in ${partner}` : '';
    return [`${cell} of ${count}`, `pairs of equal ${rule} in which ${better} is better${others}`] as const;
  });
  const sums = (sensitivity?.additivity ?? []).flatMap((one, i) => {
    const at = sensitivity?.kept[i];
    if (!one || !at) return [];
    const name = 'variance' in at ? `variance ${at.variance}` : `rank ${at.rank}`;
    return [
      [
        signed(one.joint),
        `Δnll of all units at once at ${name}; the single effects sum to ${signed(one.sum)}`,
      ] as const,
    ];
  });
  return [...base, ...pairs, ...sums.slice(0, 4)];
}

/** Cells without partners and controls; of a sensitivity study, those that operate on everything at once. */
function mainCells(study: Study, cells: Cells): CellResult[] {
  const joint = new Set(study.sensitivity?.joint);
  return gridCells(study, cells).filter((cell) => !pcaOf(cell)?.match && (joint.size === 0 || joint.has(cell.id)));
}

/** Samples of every cell with the original's: the grid first, then its partners, then the controls. */
function comparisonsOf(study: Study, cells: Cells): Comparison[] {
  const main = new Set(mainCells(study, cells));
  const controls = new Map(study.controls.map(({ cell, control }) => [cell, control]));
  const place = (cell: CellResult) => (main.has(cell) ? 0 : controls.has(cell.id) ? 2 : 1);
  const ordered = inOrder(study, cells)
    .filter(({ id }) => controls.get(id) !== 'none')
    .sort((a, b) => place(a) - place(b));
  return (study.original?.samples ?? []).flatMap((original, i) =>
    ordered.flatMap((cell, n): Comparison[] => {
      const own = cell.samples[i];
      if (!own) return [];
      const name = cellName(cell, study);
      const control = controls.get(cell.id);
      const about = `Perplexity ${valueText('perplexity', cell)}, KL ${valueText('kl', cell)} nats per token on the text; ${valueText('sameTop', cell)} of tokens keep the likeliest one.`;
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
