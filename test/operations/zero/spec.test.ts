import { describe, expect, test } from 'vitest';
import { recipeHash } from '../../../src/operations/recipe.ts';
import { kinds } from '../../../src/operations/registry.ts';
import { complete, unitsOf, type ZeroSpec, zeroFields } from '../../../src/operations/zero/spec.ts';
import { configWith } from '../../support/models.ts';

/** Three layers, six query heads that read two KV heads, 37 neurons. */
const config = configWith({ hidden_size: 24, num_hidden_layers: 3, num_attention_heads: 6, num_key_value_heads: 2 });
const completed = (spec: Omit<ZeroSpec, 'kind'>) => complete({ kind: 'zero', ...spec }, config);

describe('the options', () => {
  test('name heads and neurons as layer.number, or as ranges of a layer, and layers as elsewhere', () => {
    expect(zeroFields.heads.parse('2.5,0.0')).toEqual(['2.5', '0.0']);
    expect(zeroFields.neurons.parse(' 1.0-9 , 2.36')).toEqual(['1.0-9', '2.36']);
    expect(unitsOf('1.0-9')).toEqual({ layer: 1, from: 0, to: 9 });
    for (const key of ['attention', 'mlp', 'blocks'] as const)
      expect(zeroFields[key].parse('0,1-2')).toEqual([0, 1, 2]);
  });

  test.each(['', '2', '2.', '.5', '2.5.1', '2.x', '-1.0', '2.5-3-4', '2.4-3', '2,5', '2.5,,'])(
    '%j is refused in a line that names the option and how it is written',
    (text) => {
      for (const [key, flag, example] of [
        ['heads', '--heads', '2.5,0.0'],
        ['kvHeads', '--kv-heads', '1.3'],
        ['neurons', '--neurons', '3.0-9'],
      ] as const) {
        const refused = expect(() => zeroFields[key].parse(text));
        refused.toThrow(new RegExp(`^${flag} is ".*", allowed: a layer, [^\\n]* such as ${example}$`));
      }
    },
  );
});

test('single weights are named by layer, projection, row and column; commas in brackets part nothing', () => {
  const { parse } = zeroFields.weights;
  expect(parse('11.down[507,1229], 2.q[0, 3]')).toEqual(['11.down[507,1229]', '2.q[0, 3]']);
  for (const text of ['', '1.down', '1.down[5]', '1.down[5,]', '1.x[1,2]', '1.down[1,2', 'down[1,2]', '1.down[1-2,3]'])
    expect(() => parse(text)).toThrow(/^--weights is ".*", allowed: layer\.projection\[row,column\] [^\n]*$/);
  const written = completed({ weights: ['1.down[3,4]', '0.v[1,2]', '1.down[3, 4]', '1.k[3,4]'] });
  expect(written).toEqual({ kind: 'zero', weights: ['0.v[1,2]', '1.k[3,4]', '1.down[3,4]'] });
  expect(recipeHash([written])).toBe(recipeHash([completed({ weights: parse('1.k[3,4],1.down[3,4],0.v[1,2]') })]));
  expect(kinds.zero.slug(written, 3)).toBe('zero-weights-0.v-1-2-1.k-3-4-1.down-3-4');
  const one = completed({ weights: ['1.down[3,4]'] });
  expect(kinds.zero.next(one, { isSevere: false, isSwept: false }, 3)).toBe("lens --kind zero --weights '1.down[3,4]'");
});

describe('a whole operation', () => {
  test('has its lists in order, each entry once, and no empty ones', () => {
    expect(
      completed({ heads: ['2.5', '0.0', '2.1', '0.0'], kvHeads: ['1.1'], neurons: [], mlp: [2, 0, 2], blocks: [] }),
    ).toEqual({ kind: 'zero', heads: ['0.0', '2.1', '2.5'], kvHeads: ['1.1'], mlp: [0, 2] });
  });

  test.each<[Omit<ZeroSpec, 'kind'>, Omit<ZeroSpec, 'kind'>]>([
    [{ heads: ['2.5', '0.0'] }, { heads: ['0.0', '2.5', '0.0'] }],
    [{ neurons: ['1.3-3'] }, { neurons: ['1.3'] }],
    [{ neurons: ['1.0', '1.1', '1.2'] }, { neurons: ['1.0-2'] }],
    [{ neurons: ['1.0-5', '1.2-9', '2.0'] }, { neurons: ['2.0', '1.0-9'] }],
  ])('%j and %j are one and the same', (a, b) => {
    expect(completed(a)).toEqual(completed(b));
    expect(recipeHash([completed(a)])).toBe(recipeHash([completed(b)]));
  });

  test.each<[Omit<ZeroSpec, 'kind'>, string]>([
    [{}, 'zero names nothing to cut: give --heads, --kv-heads, --neurons, --attention, --mlp, --blocks or --weights'],
    [{ heads: [], blocks: [] }, 'zero names nothing to cut: give --heads'],
    [{ heads: ['3.0'] }, "layer 3 is not there, this model's layers are 0 to 2"],
    [{ heads: ['0.6'] }, "0.6 is not there, this model's heads are 0 to 5 in each layer"],
    [{ heads: ['1.4-6'] }, "1.4-6 is not there, this model's heads are 0 to 5 in each layer"],
    [{ kvHeads: ['0.2'] }, "0.2 is not there, this model's KV heads are 0 to 1 in each layer"],
    [{ neurons: ['2.37'] }, "2.37 is not there, this model's neurons are 0 to 36 in each layer"],
    [{ heads: ['nonsense'] }, '"nonsense" names no heads: write layer.number'],
    [{ weights: ['3.q[0,0]'] }, "layer 3 is not there, this model's layers are 0 to 2"],
    [{ weights: ['1.k[8,0]'] }, '1.k[8,0] is not there, k has 8 rows and 24 columns'],
    [{ weights: ['1.down[0,37]'] }, '1.down[0,37] is not there, down has 24 rows and 37 columns'],
    [{ weights: ['1.down'] }, '"1.down" names no weight: write layer.projection[row,column]'],
    [{ attention: [0, 3] }, "layer 3 is not there, this model's layers are 0 to 2"],
    [{ mlp: [-1] }, "layer -1 is not there, this model's layers are 0 to 2"],
    [{ blocks: [1.5] }, "layer 1.5 is not there, this model's layers are 0 to 2"],
  ])('%j is refused in a line', (spec, message) => {
    try {
      completed(spec);
      expect.fail('nothing was refused');
    } catch (error) {
      expect(error).toMatchObject({ name: 'SurgeryError', code: 'usage' });
      expect(String((error as Error).message).split('\n')).toEqual([expect.stringContaining(message)]);
    }
  });

  test('has words for a report, a table and a folder', () => {
    const operation = completed({ heads: ['2.5', '0.0'], neurons: ['1.0-9'], attention: [0, 1], blocks: [2] });
    const { describe: inALine, label, slug } = kinds.zero;
    expect(inALine(operation, 3)).toBe('zeroed: heads 0.0,2.5, neurons 1.0-9, attention 0-1, blocks 2');
    expect(label(operation, 3)).toBe('zero heads 0.0,2.5 neurons 1.0-9 attention 0-1 blocks 2');
    expect(slug(operation, 3)).toMatch(/^zero-[\w.-]{10,75}$/);
  });
});
