// Accuracy on multiple-choice questions, with intervals and the chance level.
import type { TaskScores } from '../../scores/tasks.ts';
import { counted, percent } from '../format.ts';
import type { Series } from './axes.ts';
import type { Section } from './figure.ts';
import { forestSvg } from './forest.ts';
import { type DataTable, number } from './table.ts';

/** Rows that the chart takes; the table has them all. */
const mostRows = 40;

export async function tasksSection(
  { file, rule }: { readonly file: string; readonly rule: string },
  answered: readonly { readonly name: string; readonly scores: TaskScores }[],
): Promise<Section | undefined> {
  const [first] = answered;
  if (!first) return undefined;
  const original: Series = { name: 'original', colour: 's6', shape: 'square' };
  const operated: Series = { name: 'operated', colour: 's0', shape: 'circle' };
  const rows = answered.slice(0, mostRows).map(({ name, scores: { accuracy, interval, correct, questions } }, i) => ({
    name,
    series: i === 0 ? original : operated,
    x: accuracy,
    low: interval[0],
    high: interval[1],
    tip: `${name}\n${correct} of ${questions} correct: ${withEnds(accuracy, interval)}`,
  }));
  const all = answered.flatMap(({ scores: { interval } }) => interval);
  const chance = first.scores.chance;
  const svg = await forestSvg({
    about: 'Accuracy of the original and of the variants; the table holds the numbers',
    x: {
      label: 'accuracy',
      format: '.0%',
      domain: [Math.max(0, Math.min(chance, ...all) - 0.03), Math.min(1, Math.max(chance, ...all) + 0.03)],
    },
    rows,
    at: chance,
  });
  const rest =
    answered.length > mostRows ? ` The first ${mostRows} of ${answered.length} are shown; the table lists all.` : '';
  return {
    id: 'tasks',
    title: 'Questions',
    figures: [
      {
        title: `Accuracy on ${counted(first.scores.questions, 'question')}`,
        caption: `${file}: ${rule}. Error bars: 95 % Wilson interval. Dotted: chance level, ${percent(chance)}.${rest}`,
        notShown:
          'Each interval is of one model alone. All models answered the same questions, but their differences were not tested in pairs: overlapping intervals do not show that two models are equal.',
        panels: [{ svg }],
        layout: 'one',
        legend: [original, operated],
        table: tasksTable(answered),
      },
    ],
  };
}

const withEnds = (share: number, interval: readonly number[]) =>
  `${percent(share)} [${interval.map((end) => percent(end)).join(', ')}]`;

function tasksTable(answered: readonly { readonly name: string; readonly scores: TaskScores }[]): DataTable {
  const tasks = Object.keys(answered[0]?.scores.byTask ?? {});
  return {
    name: 'tasks',
    about: 'Correct answers, in all and by task',
    head: ['model', '>correct', 'accuracy [95 %]', ...tasks.map((task) => `>${task}`)],
    rows: answered.map(({ name, scores }) => [
      name,
      number(scores.correct, (correct) => `${correct} of ${scores.questions}`),
      number(scores.accuracy, (share) => withEnds(share, scores.interval), scores.interval),
      ...tasks.map((task) => number(scores.byTask[task]?.accuracy, (share) => percent(share, 0))),
    ]),
  };
}
