// run.json → its page: one operation on one model.
import type { Comparison as Compared, Score } from '../../measure/score.ts';
import { figure, integer, percent, short, withInterval } from '../format.ts';
import type { RunResult, RunSample } from '../results.ts';
import { operationText } from '../text.ts';
import { contentsHtml, type Figure, type Section, sectionsHtml } from './figure.ts';
import { footer, type Head, hash, headHtml, modelFact, versionsFact } from './header.ts';
import { html } from './html.ts';
import { pageHtml } from './page.ts';
import { samplingRule, textRule } from './rules.ts';
import { type Comparison, samplesSection, type Told } from './samples.ts';
import { ranksFigure, spectraFigure } from './spectra.ts';
import { type Cell, number } from './table.ts';
import { tasksSection } from './tasks.ts';

/**
 * The report of a run, as one HTML document. The same run.json always gives the same bytes.
 * @param more sections that follow the run's own
 */
export async function runPage(run: RunResult, more: readonly Section[] = []): Promise<string> {
  const { tasks } = run;
  const answered = tasks && [
    { name: 'original', scores: tasks.original },
    { name: 'operated', scores: tasks.operated },
  ];
  const sections = [
    { id: 'losses', title: 'What it costs', figures: [scoresFigure(run)] },
    tasks && answered && (await tasksSection(tasks, answered)),
    samplesSection(comparisonsOf(run), samplingRule(run.sampling, run.notes), 'samples.txt'),
    await weightsSection(run),
    ...more,
  ].filter((each): each is Section => each !== undefined);
  const head = headOf(run);
  return pageHtml(
    head.title,
    html`${headHtml(head, contentsHtml(sections))}<main>\n${sectionsHtml(sections)}</main>\n${footer}`,
  );
}

function headOf(run: RunResult): Head {
  const { model, operation, scores, parameters, tasks } = run;
  const { original, operated } = scores;
  const text = operationText(operation, model.layers);
  return {
    kind: 'A run of surgery: one operation on one model',
    title: `${model.ref}: ${text}`,
    ...(model.notice ? { notice: model.notice } : {}),
    command: run.command,
    glance: [
      [`${figure(original.perplexity)} → ${figure(operated.perplexity)}`, 'perplexity, before and after'],
      [short(operated.kl), 'nats a token of KL from the original'],
      [percent(operated.sameTop), 'of tokens keep the likeliest one'],
      [percent(parameters.factored / parameters.dense), 'of the parameters operated on, if kept as factors'],
      ...(tasks
        ? [
            [
              `${percent(tasks.original.accuracy, 0)} → ${percent(tasks.operated.accuracy, 0)}`,
              'of the questions right',
            ] as const,
          ]
        : []),
    ],
    facts: [
      ['Model', modelFact(model)],
      ['Operation', `${text}; groups ${operation.groups.join(', ')}; weights in ${operation.dtype}`],
      ['Text', textRule(scores)],
      ['Precision', run.precision],
      ['Date', `${run.date.slice(0, 16).replace('T', ' ')} UTC`],
      ['Versions', versionsFact(run.versions)],
      ['SHA-256 of the weights', hash(model.sha256)],
    ],
  };
}

function scoresFigure({ scores, operation, model, parameters }: RunResult): Figure {
  const { original, operated } = scores;
  const row = (name: string, score: Score | Compared): Cell[] => [
    name,
    number(score.nll, figure),
    number(score.perplexity, figure),
    number('deltaNll' in score ? score.deltaNll : undefined, (value) =>
      withInterval(value, 'deltaNll' in score ? score.intervals.deltaNll : null),
    ),
    number('kl' in score ? score.kl : undefined, (value) =>
      withInterval(value, 'kl' in score ? score.intervals.kl : null).replace(/^\+/, ''),
    ),
    number('kl' in score ? score.klQuantiles.median : undefined, short),
    number('kl' in score ? score.klQuantiles.p99 : undefined, short),
    number('sameTop' in score ? score.sameTop : undefined, (share) => percent(share)),
  ];
  const wider =
    operation.dtype === model.dtype || operation.dtype === 'F32'
      ? ''
      : ` The written checkpoint holds all weights in ${operation.dtype}; these figures were measured with the weights outside the operation in ${model.dtype}.`;
  return {
    title: 'Scores of the original and of the operated model',
    caption: `${textRule(scores)} Intervals: ${scores.intervalRule}.${wider}`,
    notShown:
      'One operation without a control and without a partner at an equal budget: that it costs this much says nothing about another way to spend the same parameters. ' +
      `A dense rewrite saves no memory; the ${integer(parameters.factored)} parameters are what the factors would take, of ${integer(parameters.dense)}.`,
    panels: [],
    table: {
      name: 'scores',
      about: 'Scores',
      head: ['model', '>nll', '>perplexity', 'Δnll [95 %]', 'KL [95 %]', '>KL, median', '>KL, 99 %', '>same top'],
      rows: [row('original', original), row('operated', operated)],
    },
    open: true,
  };
}

async function weightsSection({ curves, layers, operation: { mode, variance, rank } }: RunResult): Promise<Section> {
  const figures = [
    await spectraFigure(curves, variance === undefined ? [] : [variance], layers),
    await ranksFigure([{ panel: mode, line: rank === undefined ? `variance ${variance}` : `rank ${rank}`, layers }]),
  ];
  return { id: 'weights', title: 'In the weights', figures: figures.filter((each) => each !== undefined) };
}

function comparisonsOf({ samples, scores }: RunResult): Comparison[] {
  const originals = samples.filter(({ variant }) => variant === 'original');
  const operated = samples.filter(({ variant }) => variant === 'operated');
  return originals.flatMap((original, i) => {
    const other = operated[i];
    if (!other) return [];
    return [
      {
        ...{ name: 'operated', about: `KL ${short(scores.operated.kl)} nats a token on the text.` },
        ...{ prompt: original.prompt, original: told(original), variant: told(other), folded: false },
      },
    ];
  });
}

function told({ ids, pieces, logprobs }: RunSample): Told {
  return { ids, pieces, original: logprobs.original, variant: logprobs.operated };
}
