import { expect, test } from 'vitest';
import { projectionShape, projections } from '../../../src/checkpoint/names.ts';
import { groupsOf, modes, mostComponents, plainest } from '../../../src/operations/pca/grouping.ts';
import { configWith } from '../../support/models.ts';

const sizes: Readonly<Record<string, number>>[] = [
  {},
  { num_key_value_heads: 1 },
  { num_attention_heads: 1, num_key_value_heads: 1 },
];
const settings = sizes.map((own) => configWith({ num_hidden_layers: 3, ...own }));

/** The members of each group; rows that are all of a projection's are none in particular. */
function effect(
  mode: (typeof modes)[number],
  where: Parameters<typeof plainest>[1],
  config: (typeof settings)[number],
) {
  const groups = groupsOf(mode, where.targets, where.layers, config);
  const members = groups.map((group) =>
    group.members.map(({ layer, projection, rows = [0, 0] }) => {
      const whole = rows[1] - rows[0] === projectionShape(config, projection)[0];
      return [layer, projection, ...(whole ? [0, 0] : rows)].join();
    }),
  );
  return members.map((group) => group.join(' + ')).sort();
}

test('two modes are one where, and only where, their groups are', () => {
  for (const config of settings)
    for (const layers of [[0, 1, 2], [1]])
      for (let bits = 1; bits < 2 ** projections.length; bits++) {
        const targets = projections.filter((_, i) => bits & (2 ** i));
        const where = { targets, layers };
        const found = modes.map((mode) => ({
          plain: plainest(mode, where, config),
          effect: effect(mode, where, config).join(' | '),
          mode,
        }));
        for (const a of found) {
          expect(effect(a.plain, where, config).join(' | '), `${a.mode} of ${targets}`).toBe(a.effect);
          for (const b of found)
            expect(a.plain === b.plain, `${a.mode}, ${b.mode} of ${targets}`).toBe(a.effect === b.effect);
        }
      }
});

test('the most components of a group are those of the largest', () => {
  for (const config of settings)
    for (const mode of modes)
      for (const targets of [['q', 'k', 'v'], ['k'], ['k', 'v'], ['gate', 'down'], ['v', 'o']] as const) {
        const where = { targets, layers: [0, 1] };
        const sizes = groupsOf(mode, targets, where.layers, config).map(({ members }) => {
          const rows = members.map(({ projection, rows: some }) =>
            some ? some[1] - some[0] : projectionShape(config, projection)[0],
          );
          const [, columns] = projectionShape(config, members[0]?.projection ?? 'q');
          return Math.min(
            columns,
            rows.reduce((sum, own) => sum + own, 0),
          );
        });
        expect(mostComponents(mode, where, config)).toBe(Math.max(...sizes));
      }
});
