// run.json → its page: one operation on one model.

import { describeRecipe } from '../../operations/recipe.ts';
import type { RunResult } from '../../results/run.ts';
import { layersOf, pcaOf, storedWords } from '../cells.ts';
import { trusted } from '../findings.ts';
import { integer, percent } from '../format.ts';
import { hasIntervals, scoresIn, sizeOf, storesOtherwise, valueText } from '../scores.ts';
import { groupClass } from '../terminal/text.ts';
import { runVerdict } from '../verdict.ts';
import { contentsHtml, type Figure, type Section, sectionsHtml } from './figure.ts';
import { footer, type Head, hash, headHtml, modelFact, modelFacts, modelName, versionsFact } from './header.ts';
import { html } from './html.ts';
import { pageHtml } from './page.ts';
import { calibrationFacts, samplingRule, scoringFacts, textFacts, withLeak } from './rules.ts';
import { type Comparison, comparison, samplesSection } from './samples.ts';
import { weightsSection } from './spectra.ts';
import { scoreCells, scoreHeads } from './table.ts';
import { tasksSection } from './tasks.ts';

/**
 * The report of a run, as one HTML document. The same run.json always gives the same bytes.
 * @param more sections that follow the run's own
 */
export async function runPage(whole: RunResult, more: readonly Section[] = []): Promise<string> {
  const run = trusted(whole, whole.text);
  const { tasks, original, cell } = run;
  const answered =
    original.tasks && cell.tasks
      ? [
          { name: 'original', scores: original.tasks },
          { name: 'operated', scores: cell.tasks },
        ]
      : undefined;
  const all = [
    samplesSection(comparisonsOf(run), samplingRule(run.sampling, run.notes), 'samples.txt'),
    { id: 'losses', title: 'Loss', figures: [scoresFigure(run)] },
    tasks && answered && (await tasksSection(tasks, answered)),
    await weightsSection(run.curves, [cell], layersOf(cell)),
    ...more,
  ].filter((each): each is Section => each !== undefined && (each.figures.length > 0 || each.rest !== undefined));
  const sections = withLeak(all, run.calibration);
  const head = headOf(run);
  return pageHtml(
    head.title,
    html`${headHtml(head, contentsHtml(sections))}<main>\n${sectionsHtml(sections)}</main>\n${footer}`,
  );
}

function headOf(run: RunResult): Head {
  const { model, original, cell, tasks, text } = run;
  const words = describeRecipe(cell.recipe, model.layers);
  const groups = [...new Set(layersOf(cell).flatMap((layer) => layer.groups.map(({ name }) => groupClass(name))))];
  const size = sizeOf(cell);
  return {
    kind: 'A run of surgery: one variant of one model',
    title: `${modelName(model.ref)}: ${words}`,
    verdict: runVerdict(run),
    ...(model.notice ? { notice: model.notice } : {}),
    command: run.command,
    glance: [
      [`${valueText('perplexity', original)} → ${valueText('perplexity', cell)}`, 'perplexity, before and after'],
      [valueText('kl', cell), 'KL from the original (nats/token)'],
      [valueText('sameTop', cell), 'top-1 agreement with the original'],
      ...(size === undefined ? [] : [sizeCard(cell)]),
      ...(tasks && original.tasks && cell.tasks
        ? [
            [
              `${percent(original.tasks.accuracy, 0)} → ${percent(cell.tasks.accuracy, 0)}`,
              'of the questions correct, before and after',
            ] as const,
          ]
        : []),
    ],
    facts: [
      ['Model', modelFact(model)],
      ['Operation', `${words}${groups.length > 0 ? `; groups ${groups.join(', ')}` : ''}; weights in ${run.dtype}`],
      ...textFacts(text, [cell.scores]),
      ...calibrationFacts(run.calibration),
      ['Versions', versionsFact(run.versions)],
    ],
    made: [
      ...scoringFacts(text, [cell.scores]),
      ...(tasks ? [['Questions', `${tasks.file}: ${tasks.rule}`] as const] : []),
      ['Precision', run.precision],
      ['Date', `${run.date.slice(0, 16).replace('T', ' ')} UTC`],
      ...modelFacts(model),
      ...(run.documentsSha256 ? [['SHA-256 of the documents’ tokens', hash(run.documentsSha256)] as const] : []),
    ],
  };
}

function sizeCard(cell: RunResult['cell']): readonly [value: string, words: string] {
  if (storesOtherwise(cell))
    return [valueText('bytes', cell), `of the bytes of the modified projections, ${storedWords(cell.recipe)}`];
  const words = pcaOf(cell)
    ? 'factored size of the modified projections, as a share of dense'
    : 'of the modified parameters remain, zeros left out';
  return [valueText('size', cell), words];
}

function scoresFigure({ original: base, cell, dtype, model }: RunResult): Figure {
  const unit = storesOtherwise(cell) ? 'bytes' : 'parameters';
  const size = cell.footprint?.[unit];
  const columns = scoresIn('run', [base, cell]);
  const wider =
    dtype === model.dtype || dtype === 'F32'
      ? ''
      : ` The written checkpoint stores all weights in ${dtype}; these scores were measured with untouched weights in ${model.dtype}.`;
  return {
    title: 'Scores of the original and of the operated model',
    caption: `${hasIntervals([cell.scores]) ? 'In brackets: 95 % intervals.' : ''}${wider}`.trim(),
    scored: true,
    notShown:
      'This is one operation, without a control and without a partner at an equal budget. Its loss says nothing about other uses of the same parameters. ' +
      (size
        ? `The dense rewrite saves no memory; ${storedWords(cell.recipe)}, the modified projections would need ${integer(size.reduced)} of their ${integer(size.dense)} ${unit}.`
        : 'The dense rewrite saves no memory.'),
    panels: [],
    table: {
      name: 'scores',
      about: 'Scores',
      head: ['model', ...scoreHeads(columns)],
      rows: [
        ['original', ...scoreCells(columns, base)],
        ['operated', ...scoreCells(columns, cell)],
      ],
    },
    open: true,
  };
}

function comparisonsOf({ original, cell }: RunResult): Comparison[] {
  const about = `KL ${valueText('kl', cell)} nats per token on the text.`;
  return original.samples.flatMap((sample, i) => {
    const own = cell.samples[i];
    return own ? [comparison(sample, own, { name: 'operated', about, folded: false })] : [];
  });
}
