import { describe, expect, test } from 'vitest';
import { projections } from '../../../src/checkpoint/names.ts';
import { modes } from '../../../src/operations/pca/grouping.ts';
import { pcaOf, sensitivityMap, studyCharts } from '../../../src/report/cells.ts';
import { studyCsv, studyText } from '../../../src/report/terminal/study.ts';
import type { CellResult } from '../../../src/results/study.ts';
import type { PcaParameters } from '../../support/operations.ts';
import { cell, largeStudy, measured, sensitivityStudy, study } from '../../support/studies.ts';

const seconds = { load: 12.34, decompose: 1234.5, score: 12345.6, generate: 1234.5, answer: 123.4, total: 98765.4 };
const widest = (text: string) => Math.max(...text.split('\n').map((line) => [...line].length));

describe('the text', () => {
  test('of a sweep with everything is at most 80 columns wide, and leaves nothing out', () => {
    const { study: whole, cells } = largeStudy();
    const text = studyText(whole, cells, 'results/sweep', seconds);
    expect(text.split('\n').filter((line) => [...line].length > 80)).toEqual([]);
    for (const part of ['perplexity', 'accuracy', 'equal', 'better', 'control', 'mean cos²', 'Seconds', 'llama.cpp'])
      expect(text).toContain(part);
    // Words of one cell's name may stand below each other.
    for (const word of [...modes, '0.975', '1024', 'drop', 'global', 'other-layer']) expect(text).toContain(word);
    expect(text).not.toMatch(/undefined|NaN|null/);
  });

  test('of a long reference is broken, too', () => {
    const whole = study([]);
    const ref = `${'organisation'.repeat(3)}/${'model'.repeat(6)}`;
    expect(widest(studyText({ ...whole, model: { ...whole.model, ref } }, new Map(), 'out'))).toBeLessThanOrEqual(80);
  });

  test.each(['layer', 'projection', 'both'] as const)('of a sensitivity study by %s is as wide', (by) => {
    const { study: whole, cells } = sensitivityStudy(by);
    const text = studyText(whole, cells, 'results/sensitivity', seconds);
    expect(widest(text)).toBeLessThanOrEqual(80);
    for (const part of ['all at once', 'sum of the single effects', 'variance 0.975', 'rank 1024'])
      expect(text).toContain(part);
    expect(text).not.toMatch(/undefined|NaN|null/);
  });

  test('says how many cells are another part’s', () => {
    const cells = measured([{ mode: 'separate', variance: 0.9, mean: 'keep' }]);
    expect(studyText(study(['c0', 'c1', 'c2']), cells, 'out')).toContain('1 of 3 cells are there');
    expect(studyText(study(['c0']), cells, 'out')).not.toContain('are there');
  });

  test('tells which side of a pair is better, and where the error was not met', () => {
    const { text } = study([]);
    const betterText = (interval: readonly [number, number] | null, met: boolean, documents = 10) => {
      const cells = measured([
        { mode: 'shared-kv', variance: 0.9, mean: 'keep' },
        { mode: 'separate', variance: 0.9, mean: 'keep' },
      ]);
      const difference = {
        deltaNll: interval ? (interval[0] + interval[1]) / 2 : 0.5,
        interval,
        deltaKl: 0,
        intervalKl: null,
      };
      const pairs = [{ rule: 'error', cell: 'c0', partner: 'c1', difference, met }] as const;
      return / (\S+(?: met)?)$/m.exec(
        studyText(study(['c0', 'c1'], { pairs, text: { ...text, documents } }), cells, 'out').split('better\n')[1] ??
          '',
      )?.[1];
    };
    expect(betterText([0.1, 0.3], true)).toBe('separate');
    expect(betterText([-0.3, -0.1], true)).toBe('shared');
    expect(betterText([-0.1, 0.3], true)).toBe('–');
    expect(betterText(null, true)).toBe('–');
    expect(betterText([0.1, 0.3], false)).toBe('not met');
    expect(betterText([0.1, 0.3], true, 9)).toBe('–'); // the interval is not to be trusted
  });
});

test('of cells without a width there is no column of it, and the notes name only what is there', () => {
  const [one] = measured([{ mode: 'shared-kv', variance: 0.9, mean: 'keep' }]).values();
  if (!one?.footprint) throw new TypeError('no footprint');
  const narrow = { ...one, footprint: { ...one.footprint, width: null } };
  const shown = (each: CellResult) => studyText(study([each.id]), new Map([[each.id, each]]), 'out');
  expect(shown(one)).toMatch(/^cell +width .*width: components of k and v per\s+layer; parameters: /ms);
  expect(shown(narrow)).not.toMatch(/width|separate partner/);
  const matched = measured([
    { mode: 'separate', variance: 0.9, mean: 'keep', match: { rule: 'width', of: 'shared-kv' } },
  ]);
  expect(studyText(study([...matched.keys()]), matched, 'out')).toMatch(/= width: the\s+separate\s+partner/);
});

test('of one document there are no intervals, and none are spoken of', () => {
  const cells = measured([{ mode: 'shared-kv', variance: 0.9, mean: 'keep' }]);
  const alone = [...cells.values()].map((each) => ({
    ...each,
    scores: { ...each.scores, intervals: { deltaNll: null, kl: null } },
  }));
  const text = studyText(study(['c0']), new Map(alone.map((each) => [each.id, each])), 'out');
  expect(text).not.toMatch(/intervals/);
  expect(studyText(study(['c0']), cells, 'out')).toMatch(/intervals: 95 %/);
});

test('two sets of as many layers have names of their own, in the table and in the charts', () => {
  const operation = { mode: 'shared-kv', mean: 'keep' } as const;
  const operations = [
    [0, 1, 2],
    [3, 4, 5],
  ].flatMap((some) => [0.9, 0.5].map((variance) => ({ ...operation, variance, layers: some })));
  const cells = measured(operations);
  const [chart] = studyCharts(study([...cells.keys()]), cells);
  expect(chart?.series.map(({ name, points }) => `${name}: ${points.length}`)).toEqual([
    'shared-kv, layers 0-2: 2',
    'shared-kv, layers 3-5: 2',
  ]);
  const text = studyText(study([...cells.keys()]), cells, 'out');
  for (const name of ['shared-kv 0.9 layers 0-2', 'shared-kv 0.9 layers 3-5']) {
    const [words, layers] = name.split(/ (?=\S+$)/);
    expect(text).toMatch(new RegExp(`^${words}[^\n]*\n?${layers}`, 'm'));
  }
});

describe('comma-separated values', () => {
  /** Fields of a line by RFC 4180. */
  const fields = (line: string) => line.match(/(?<=^|,)(?:"(?:[^"]|"")*"|[^",]*)(?=,|$)/g) ?? [];
  /** Every record of a text by RFC 4180, read a character at a time: line ends in quotation marks belong to a field. */
  function records(text: string): string[][] {
    const all = [['']];
    let isQuoted = false;
    for (const [i, character] of [...text].entries()) {
      const record = all.at(-1) ?? [];
      const append = (more: string) => record.push((record.pop() ?? '') + more);
      if (character === '"') {
        if (!isQuoted && text[i - 1] === '"') append('"'); // the second of two
        isQuoted = !isQuoted;
      } else if (isQuoted) append(character);
      else if (character === ',') record.push('');
      else if (character === '\n') all.push(['']);
      else append(character);
    }
    return all;
  }

  test('have as many fields in every line as names, a line a cell, and one of the original', () => {
    const { study: whole, cells } = largeStudy();
    const [names = '', ...lines] = studyCsv(whole, cells).split('\n');
    expect(new Set(fields(names)).size).toBe(fields(names).length);
    expect(lines).toHaveLength(1 + whole.cells.length);
    expect(fields(lines[0] ?? '').slice(0, 2)).toEqual(['original', 'original']);
    expect(new Set(lines.map((line) => fields(line).length))).toEqual(new Set([fields(names).length]));
    expect(lines.filter((line) => /undefined|NaN|null|\[object/.test(line))).toEqual([]);
  });

  test('stand under their names', () => {
    const operation = { mode: 'separate', rank: 7, mean: 'drop', layers: [1, 2], center: false } as const;
    const match = { rule: 'error', of: 'shared-kv' } as const;
    const one = cell('a', { ...operation, match });
    const [names = '', , line = ''] = studyCsv(study(['a', 'missing']), new Map([['a', one]])).split('\n');
    const values = fields(line);
    const row = Object.fromEntries(fields(names).map((name, i) => [name, values[i]]));
    expect(row).toMatchObject({
      id: 'a',
      kind: 'pca',
      mode: 'separate',
      variance: '',
      rank: '7',
      mean: 'drop',
      center: 'off',
      balance: 'off',
      allocate: 'uniform',
      targets: 'q k v',
      layers: '1 2',
      match: 'error of shared-kv',
      control: '',
      mean_rank: '4',
      width: '4',
      parameters_dense: '1000',
      parameters_reduced: '40',
      nll: String(one.scores.nll),
      delta_nll_low: String(one.scores.intervals.deltaNll?.[0]),
      kl_max: '3',
      delta_p_mean: '-0.01',
      delta_p_rms: '0.1',
      same_top: '0.5',
      task_accuracy: '',
      model: 'org/name',
      text: 'text.txt',
      documents: '10',
      tokens: '30',
      rule: 'each alone',
      documents_sha256: 'b',
      surgery: '1',
    });
  });

  test.each(['a,b', ',', 'say "a"', '"', 'a\nb', 'a\r\nb', ' a ', 'a;b', "a'b"])('keep a field that is %j', (id) => {
    const one = cell(id, { mode: 'shared-kv', variance: 0.9 });
    const csv = studyCsv(study([id]), new Map([[id, one]]));
    const [names = [], , row = [], ...more] = records(csv);
    expect([names[0], row[0], more]).toEqual(['id', id, []]);
    expect(row).toHaveLength(names.length);
    expect(row[names.indexOf('nll')]).toBe(String(one.scores.nll));
    // Only where they are needed.
    expect(csv.includes('"')).toBe(/[",\r\n]/.test(id));
  });

  test("have a column for each parameter of the cells' kinds, and no other kind's", () => {
    const pca = cell('p', { mode: 'shared-kv', variance: 0.9 });
    const two = {
      ...cell('z', { kind: 'none', layers: [1] }),
      recipe: [
        { kind: 'zero', heads: ['0.1', '2.3-4'], mlp: [1, 2] },
        { kind: 'none', targets: ['q'], layers: [5] },
      ],
    } satisfies CellResult;
    const csv = (...cells: CellResult[]) =>
      records(studyCsv(study(cells.map(({ id }) => id)), new Map(cells.map((one) => [one.id, one]))));
    const [names = [], , row = []] = csv(two);
    expect(Object.fromEntries(names.map((name, i) => [name, row[i]]))).toMatchObject({
      kind: 'zero none',
      heads: '0.1 2.3-4',
      kv_heads: '',
      mlp: '1 2',
      targets: 'q',
      layers: '5',
      mean_rank: '',
    });
    expect(names).not.toContain('mode');
    expect(csv(pca)[0]).not.toContain('heads');
    expect(csv(pca, two)[0]).toEqual(expect.arrayContaining(['mode', 'heads']));
  });
});

describe('charts', () => {
  const axes = (operations: readonly PcaParameters[]) => {
    const cells = measured(operations);
    const charts = studyCharts(study([...cells.keys()]), cells);
    return [...new Set(charts.map(({ x }) => x.label.split(/[ ,]/)[0]))];
  };
  const operation = { mode: 'shared-kv', mean: 'keep' } as const;

  test('are over what the cells vary in', () => {
    expect(axes([])).toEqual([]);
    expect(axes([{ ...operation, variance: 0.9 }])).toEqual([]);
    expect(axes([0.9, 0.5].map((variance) => ({ ...operation, variance })))).toEqual([
      'variance',
      'width',
      'parameters',
    ]);
    expect(axes([8, 16].map((rank) => ({ ...operation, rank })))).toEqual(['rank', 'width', 'parameters']);
    expect(
      axes([
        { ...operation, variance: 0.9 },
        { ...operation, rank: 4 },
      ]),
    ).toEqual(['width', 'parameters']);
  });

  test('leave out controls, and partners where their threshold says nothing of them', () => {
    const match = { rule: 'width', of: 'shared-kv' } as const;
    for (const key of ['variance', 'rank'] as const) {
      const kept = (key === 'variance' ? [0.9, 0.5] : [8, 16]).map((value) => ({ [key]: value }));
      const cells = measured([
        ...kept.map((each) => ({ ...operation, ...each })),
        ...kept.map((each) => ({ mode: 'separate', mean: 'keep', ...each, match }) as const),
        ...kept.map((each) => ({ ...operation, ...each, control: 'noise' }) as const),
      ]);
      const charts = studyCharts(study([...cells.keys()]), cells);
      const names = (label: string) =>
        charts.find(({ x }) => x.label.startsWith(label))?.series.map(({ name }) => name);
      expect(names(key)).toEqual(['shared-kv']);
      expect(names('width')).toEqual(['shared-kv', 'separate, at equal width to shared-kv']);
    }
  });

  test('keep the partners of two modes apart', () => {
    const partners = (['shared-kv', 'shared-qkv'] as const).flatMap((of) =>
      [0.9, 0.5].map(
        (variance) => ({ mode: 'separate', mean: 'keep', variance, match: { rule: 'error', of } }) as const,
      ),
    );
    const cells = measured(partners);
    const [chart] = studyCharts(study([...cells.keys()]), cells);
    expect(chart?.series.map(({ name }) => name)).toEqual([
      'separate, at equal error to shared-kv',
      'separate, at equal error to shared-qkv',
    ]);
  });

  test('have each point at its place, with its interval, from left to right', () => {
    const cells = measured([0.9, 0.5].map((variance) => ({ ...operation, variance })));
    const charts = studyCharts(study([...cells.keys()]), cells);
    expect(charts.map(({ title }) => title)).toEqual(Array(3).fill(['Perplexity', 'KL from the original']).flat());
    const [perplexity, kl] = charts.map(({ series }) => series[0]?.points ?? []);
    expect(perplexity?.map(({ x }) => x)).toEqual([0.5, 0.9]);
    const { scores } = cells.get('c0') ?? {};
    const [low = 0, high = 0] = scores?.intervals.deltaNll ?? [];
    expect(perplexity?.[1]?.y).toBe(scores?.perplexity);
    // The original's nll is 2 a token.
    expect(perplexity?.[1]?.low).toBeCloseTo(Math.exp(2 + low), 9);
    expect(perplexity?.[1]?.high).toBeCloseTo(Math.exp(2 + high), 9);
    expect(kl?.[1]).toEqual({ x: 0.9, y: scores?.kl, low: scores?.intervals.kl?.[0], high: scores?.intervals.kl?.[1] });
  });
});

/** A sensitivity study by some unit, at two budgets. */
test('the map of a sensitivity study has a row a part, all at once last', () => {
  const { study: whole, cells } = sensitivityStudy('projection');
  if (!whole.sensitivity) throw new TypeError('no sensitivity');
  const map = sensitivityMap(whole.sensitivity, cells);
  expect(map.rows).toEqual(['q', 'k', 'v', 'gate', 'all at once']);
  expect(map.columns).toEqual(['0.975', 'rank 1024']);
  for (const [row, values] of map.values.entries())
    for (const [column, value] of values.entries()) {
      const targets = map.rows[row] === 'all at once' ? ['q', 'k', 'v', 'gate'] : [map.rows[row]];
      const own = [...cells.values()].find((one) => {
        const operation = pcaOf(one);
        const isOf = column === 0 ? operation?.variance === 0.975 : operation?.rank !== undefined;
        return isOf && operation?.targets.join() === projections.filter((each) => targets.includes(each)).join();
      });
      expect(value).toBe(own?.scores.deltaNll);
    }
  expect(sensitivityMap(whole.sensitivity, new Map()).values.flat()).toEqual(Array(10).fill(undefined));
});
