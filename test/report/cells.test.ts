import { expect, test } from 'vitest';
import { completeRecipe } from '../../src/operations/recipe.ts';
import { fitPairWords } from '../../src/report/cells.ts';
import { pairsFigure } from '../../src/report/html/pairs.ts';
import { configWith } from '../support/models.ts';
import { cell, study } from '../support/studies.ts';

const one = cell('a', { mode: 'shared-kv', variance: 0.9, mean: 'keep' });
const other = cell('b', { mode: 'separate', variance: 0.9, mean: 'keep' });

test('pairs of fits by error say that their objective is matched, no other pairs', () => {
  const fitted = { ...one, recipe: completeRecipe([{ kind: 'fit', rank: 4 }], configWith({})) };
  expect(fitPairWords([{ rule: 'error', cell: fitted }])).toContain('loss of the objective');
  expect(fitPairWords([{ rule: 'width', cell: fitted }])).toBe('');
  expect(fitPairWords([{ rule: 'error', cell: one }])).toBe('');
});

test('a pair whose error is not met is not shown as a partner that is better', async () => {
  const difference = { deltaNll: 0.2, interval: [0.1, 0.3], deltaKl: 0, intervalKl: null } as const;
  const svgOf = async (met: boolean) => {
    const pairs = [{ rule: 'error', cell: 'a', partner: 'b', difference, met }] as const;
    const cells = new Map([one, other].map((each) => [each.id, each]));
    return JSON.stringify((await pairsFigure([{ study: study(['a', 'b'], { pairs }), cells }]))?.panels);
  };
  expect(await svgOf(false)).not.toBe(await svgOf(true));
});
