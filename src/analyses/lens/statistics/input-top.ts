// How often the lens ranks the token read first.
import { againstLast } from './statistic.ts';

export const inputTop = againstLast({
  label: 'input first',
  values: 'share',
  at: ({ rankInput }) => (rankInput === 1 ? 1 : 0),
  uniform: ({ probability }) => probability,
});
