// study.json and its cells → their page: a sweep or a sensitivity study.
import type { CellResult, Study } from '../../study/results.ts';
import { type Cells, cellName, gridCells, inOrder, keptName } from '../cells.ts';
import { counted, figure, integer, percent, short, signed } from '../format.ts';
import type { SamplingInfo } from '../results.ts';
import { contentsHtml, type Section, sectionsHtml } from './figure.ts';
import { footer, type Head, hash, headHtml, modelFact, versionsFact } from './header.ts';
import { html } from './html.ts';
import { lossesSection } from './losses.ts';
import { pageHtml } from './page.ts';
import { comparisonsSection, pairCounts } from './pairs.ts';
import { samplingRule, textRule } from './rules.ts';
import { type Comparison, samplesSection } from './samples.ts';
import { sensitivitySection } from './sensitivity.ts';
import { type RankSet, ranksFigure, spectraFigure } from './spectra.ts';
import { tasksSection } from './tasks.ts';

/** Comparisons of samples that stand open on the page. */
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
          cell.tasks ? [{ name: cellName(cell.operation, study), scores: cell.tasks }] : [],
        ),
      ]
    : [];
  const rule = context.sampling ? samplingRule(context.sampling as SamplingInfo, study.notes) : '';
  const sections = [
    sensitivity ? await sensitivitySection(study, sensitivity, cells) : await lossesSection(study, cells),
    await comparisonsSection(study, cells),
    tasks && (await tasksSection(tasks, answered)),
    samplesSection(comparisonsOf(study, cells), rule, 'cells.jsonl'),
    await weightsSection(study, cells),
  ];
  return sections.filter((each): each is Section => each !== undefined);
}

function headOf(study: Study, cells: Cells): Head {
  const { kind, model, context, text, tasks } = study;
  const shown = gridCells(study, cells);
  const there = inOrder(study, cells).length;
  const modes = [...new Set(shown.map(({ operation }) => operation.mode))];
  const kept = [...new Set(shown.map(({ operation }) => keptName(operation)))];
  return {
    kind:
      kind === 'sweep'
        ? 'A sweep by surgery: many operations on one model'
        : 'A sensitivity study by surgery: one part at a time',
    title: `${model.ref}: ${modes.join(', ')} at ${shown.every(({ operation }) => operation.rank === undefined) ? 'variance ' : ''}${kept.join(', ')}`,
    ...(study.complete
      ? {}
      : { notice: `${there} of ${counted(study.cells.length, 'cell')} are there: the study is not finished.` }),
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

function glanceOf(study: Study, cells: Cells): Head['glance'] {
  const { original, text, sensitivity } = study;
  const base = original
    ? [[figure(original.scores.perplexity), `perplexity of the original, over ${integer(text.tokens)} tokens`] as const]
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
    return [[signed(one.joint), `Δnll of all parts at once at ${name}; alone they sum to ${signed(one.sum)}`] as const];
  });
  return [...base, ...pairs, ...sums.slice(0, 4)];
}

async function weightsSection(study: Study, cells: Cells): Promise<Section> {
  const joint = new Set(study.sensitivity?.joint ?? []);
  const shown = gridCells(study, cells).filter(
    ({ id, operation: { match } }) => !match && (joint.size === 0 || joint.has(id)),
  );
  const thresholds = [...new Set(shown.flatMap(({ operation: { variance } }) => variance ?? []))];
  const sets: RankSet[] = shown.map(({ operation, layers }) => ({
    panel: [operation.mode, operation.allocate === 'global' && 'spread'].filter(Boolean).join(', '),
    line: `${operation.rank === undefined ? 'variance ' : ''}${keptName(operation)}${operation.mean === 'drop' ? ', mean dropped' : ''}`,
    layers,
  }));
  const figures = [await spectraFigure(study.curves, thresholds), await ranksFigure(sets)];
  return { id: 'weights', title: 'In the weights', figures: figures.filter((each) => each !== undefined) };
}

/** Every cell's samples beside the original's: the grid first, then its partners, then the controls. */
function comparisonsOf(study: Study, cells: Cells): Comparison[] {
  const joint = new Set(study.sensitivity?.joint ?? []);
  const isPlain = ({ id, operation: { match, control } }: CellResult) =>
    !match && !control && (joint.size === 0 || joint.has(id));
  const place = (cell: CellResult) => (isPlain(cell) ? 0 : cell.operation.control ? 2 : 1);
  const ordered = inOrder(study, cells)
    .filter(({ operation }) => operation.control !== 'none')
    .sort((a, b) => place(a) - place(b));
  return (study.original?.samples ?? []).flatMap((original, i) =>
    ordered.flatMap((cell, n): Comparison[] => {
      const own = cell.samples[i];
      if (!own) return [];
      const { scores, operation } = cell;
      const name = cellName(operation, study);
      return [
        {
          name: operation.control ? `${operation.control}, ${name}` : name,
          about: `Perplexity ${figure(scores.perplexity)}, KL ${short(scores.kl)} nats a token on the text; ${percent(scores.sameTop)} of tokens keep the likeliest one.`,
          prompt: original.prompt,
          original: {
            ids: original.ids,
            pieces: original.pieces,
            original: original.logprobs,
            variant: own.ofOriginal,
          },
          variant: { ids: own.ids, pieces: own.pieces, original: own.underOriginal, variant: own.logprobs },
          folded: !isPlain(cell) || n >= mostOpen,
        },
      ];
    }),
  );
}
