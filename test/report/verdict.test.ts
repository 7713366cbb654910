// Sentences about scores: the class of a loss, what is worth keeping, where the damage lies, and what is no evidence.
import { describe, expect, test } from 'vitest';
import { itemAt } from '../../src/platform/indexing.ts';
import {
  evalVerdict,
  isBroken,
  largestEffects,
  lossWords,
  runVerdict,
  studyVerdict,
  yardstickText,
} from '../../src/report/verdict.ts';
import type { EvalResult } from '../../src/results/outputs.ts';
import type { CellResult, Study } from '../../src/results/study.ts';
import type { Comparison } from '../../src/scores/registry.ts';
import { cell, group, sensitivityStudy, study } from '../support/studies.ts';

const scores: Comparison = { ...cell('a', { kind: 'none' }).scores, deltaNll: 0.5 };
const withKl = (kl: number, sameTop: number, more: Partial<Comparison> = {}): Comparison => ({
  ...scores,
  kl,
  sameTop,
  intervals: { kl: [kl * 0.99, kl * 1.01], deltaNll: kl < 0.01 ? [-0.1, 0.6] : [0.4, 0.6] },
  ...more,
});

/** Documents enough for an interval. */
const many = { documents: 10 };
const loss = (scores: Comparison, text: Parameters<typeof lossWords>[1] = many) => lossWords(scores, text);

describe('the loss of a variant', () => {
  test('is named by KL, with what survives and the nearest quantisation', () => {
    expect(loss(withKl(9.072, 0.163)).join(' ')).toBe(
      "KL 9.07 nats/token: the model is broken. 16 % of top-1 predictions survive. llama.cpp's coarsest, q2_K, costs 0.445 on Llama-3-8B.",
    );
    expect(loss(withKl(0.0015, 0.981)).join(' ')).toBe(
      'KL 0.00150 nats/token: hardly distinguishable from the original. 98 % of top-1 predictions survive. ' +
        "llama.cpp's q8_0 costs 0.0014 on Llama-3-8B. Perplexity does not change measurably.",
    );
    expect(loss(withKl(0.0013, 1))).toContain("That is below llama.cpp's q8_0 (0.0014 on Llama-3-8B).");
    expect(loss(withKl(0.44, 0.7))).toContain("llama.cpp's q2_K costs 0.445 on Llama-3-8B.");
  });

  test.each([
    [0.0098, 0.95, 'hardly distinguishable'],
    [0.01, 0.95, 'a small loss'],
    [0.0099, 0.94, 'a small loss'],
    [0.05, 0.99, 'a noticeable loss'],
    [0.0001, 0.85, 'a noticeable loss'],
    [0.2, 0.99, 'a severe loss'],
    [0.5, 0.49, 'broken'],
    [1, 0.99, 'broken'],
  ])('of KL %d with %d of the predictions kept is %s', (kl, sameTop, words) => {
    expect(loss(withKl(kl, sameTop))[0]).toContain(words);
    expect(isBroken({ kl, sameTop })).toBe(words === 'broken');
  });

  test('is none where nothing changed, and else of a class, also where its interval reaches 0', () => {
    expect(loss(withKl(0, 1))).toEqual(['KL 0: the predictions are exactly those of the original.']);
    const intervals = { kl: [-0.01, 0.05], deltaNll: [-0.01, 0.03] } as const;
    expect(loss(withKl(0.02, 0.983, { intervals }))).toEqual([
      'KL 0.0200 nats/token: a small loss.',
      '98 % of top-1 predictions survive.',
      "llama.cpp's q4_K_M costs 0.031 on Llama-3-8B.",
      'Perplexity does not change measurably.',
    ]);
    expect(loss(withKl(-1e-12, 0.9999, { intervals: { kl: [0, 1e-9], deltaNll: null } }))[0]).toContain('hardly dist');
  });

  test('is not called hardly distinguishable where its interval reaches into another class', () => {
    const upTo = (high: number) =>
      loss(withKl(0.0026, 0.97, { intervals: { kl: [0, high], deltaNll: [-0.01, 0.01] } }))[0];
    expect(upTo(0.0099)).toBe('KL 0.00260 nats/token: hardly distinguishable from the original.');
    expect(upTo(0.014)).toBe('KL 0.00260 nats/token: a small loss at most.');
    expect(upTo(0.3)).toBe('KL 0.00260 nats/token: a severe loss at most.');
  });

  test('does not claim that all predictions survive where a few do not', () => {
    expect(loss(withKl(0.001, 0.9999))[1]).toBe('More than 99.9 % of top-1 predictions survive.');
    expect(loss(withKl(0.001, 0.9949))[1]).toBe('99.5 % of top-1 predictions survive.');
    // The limits of the classes are 95, 90, 80 and 50 %.
    expect(loss(withKl(0.001, 0.949))[1]).toBe('94.9 % of top-1 predictions survive.');
    expect(loss(withKl(0.001, 0.94996))[1]).toBe('94.996 % of top-1 predictions survive.');
    expect(loss(withKl(0.001, 0.939))[1]).toBe('94 % of top-1 predictions survive.');
  });

  test('says where perplexity does not move, or falls', () => {
    const words = (deltaNll: readonly [number, number]) =>
      loss(withKl(0.004, 0.97, { deltaNll: -0.1, intervals: { kl: null, deltaNll } })).join(' ');
    expect(words([-0.2, 0.1])).toContain('Perplexity does not change measurably.');
    expect(words([-0.2, -0.05])).toContain("Perplexity is lower than the original's: Δnll -0.100.");
    expect(words([0.1, 0.2])).not.toContain('erplexity');
  });

  test('of the smallest class is called measurable where an interval says so', () => {
    const intervals = { kl: null, deltaNll: [0.002, 0.007] } as const;
    const small = withKl(0.003, 0.97, { intervals });
    expect(loss(small)[0]).toBe('KL 0.00300 nats/token: a very small loss, but a measurable one.');
    expect(loss(withKl(0.02, 0.97, { intervals }))[0]).toContain('a small loss');
  });

  test('does not rest on intervals that are not to be trusted', () => {
    const intervals = { kl: [-0.02, 0.9], deltaNll: [-0.06, 0.8] } as const;
    const few = withKl(0.2, 0.9, { nll: Math.log(60), deltaNll: Math.log(60 / 50), intervals });
    const eight = loss(few, { documents: 8, chunk: 'stream' });
    expect(eight[0]).toBe('KL 0.200 nats/token: 8 windows are too few for a verdict.');
    expect(eight.at(-1)).toBe('Perplexity 50.00 → 60.00 (Δnll +0.182).');
    expect(loss(withKl(0.001, 0.99), { documents: 1 })[0]).toBe(
      'KL 0.00100 nats/token: 1 document is too few for a verdict.',
    );
    expect(loss(withKl(9, 0.1), { documents: 1 })[0]).toBe(
      'KL 9.00 nats/token on 1 document: the model is broken there.',
    );
    expect(loss(few).at(-1)).toBe('Perplexity does not change measurably.');
  });
});

describe('a model that guesses', () => {
  const original = { ...itemOf(study([]).original), scores: { nll: 7.3, perplexity: Math.exp(7.3) } };
  const model = { ...study([]).model, path: '/m' };
  const { text } = study([]);
  const edited = { ...cell('a', { mode: 'separate' }), scores: withKl(0.0667, 0.3, { nll: 7.4, deltaNll: 0.1 }) };
  const run = (vocabulary?: number) =>
    runVerdict({ model: { ...model, vocabulary }, original, cell: edited, text }).join(' ');

  test('is noticed where its perplexity is above the size of the vocabulary', () => {
    expect(run(1024)).toMatch(/^The original is worse than uniform guessing: perplexity 1,480 with 1,024 tokens/);
    // No words of a loss: its edit may change every first token at next to no KL.
    expect(run(1024)).not.toMatch(/broken|a \w+ loss/);
    expect(run(1024)).toMatch(/KL 0\.0667 nats\/token\. /);
    expect(run(2000)).toMatch(/^KL/);
    expect(run()).toMatch(/^KL/); // a result that does not say
  });

  test('is noticed as the base of an evaluation, whose nll follows from the difference', () => {
    const of = (nll: number) =>
      evalVerdict({
        model: { ...model, vocabulary: 1024 },
        scores: { ...text, ...withKl(0.3, 0.9), nll },
      } as EvalResult)[0];
    expect(of(Math.log(1024) + 0.51)).toContain('The base is worse than uniform guessing');
    expect(of(Math.log(1024) + 0.49)).not.toContain('guessing');
  });
});

test('answers at chance level are marked as such', () => {
  const tasks = (accuracy: number) => {
    const interval = [accuracy - 0.1, accuracy + 0.1] as const;
    const score = { correct: 20 * accuracy, questions: 20, accuracy, interval, chance: 0.25 };
    return { ...score, byTask: { cloze: score } };
  };
  const words = (before: number, after: number) => {
    const original = { ...itemOf(study([]).original), tasks: tasks(before) };
    const own = { ...cell('a', { mode: 'separate' }), tasks: tasks(after) };
    const { model, text } = study([]);
    return runVerdict({ model: { ...model, path: '/m' }, original, cell: own, text }).at(-1);
  };
  const { original, model, text } = study([]);
  const run = {
    model: { ...model, path: '/m' },
    original: itemOf(original),
    cell: cell('a', { mode: 'separate' }),
    text,
  };
  expect(runVerdict({ ...run, precision: 'int8' }).join(' ')).toContain('computed in int8, whose own KL from fp32');
  expect(runVerdict({ ...run, precision: 'fp32' }).join(' ')).not.toContain('int8');
  expect(words(0.8, 0.3)).toBe(
    'Questions answered correctly: 80.0 % → 30.0 %, not distinguishable from chance (25.0 %).',
  );
  expect(words(0.8, 0.6)).toBe('Questions answered correctly: 80.0 % → 60.0 %.');
  expect(words(0.3, 0.3)).toContain('these questions cannot show a loss');
});

describe('a sweep', () => {
  /** Cells by mode and variance with KL; what is saved follows from the rank. */
  const found = (
    cells: readonly (readonly ['separate' | 'shared-kv', number, number, partner?: 'partner'])[],
    complete = true,
  ) => {
    const made = cells.map(([mode, variance, kl, partner], i) => ({
      ...cell(
        `c${i}`,
        { mode, variance, ...(partner ? { match: { of: 'shared-kv', rule: 'width' } } : {}) },
        { groups: [group('kv', Math.round(variance * 90), { k: 0.5, v: 0.5 })] },
      ),
      scores: withKl(kl, kl < 1 ? 0.97 : 0.1),
    }));
    const byId = new Map<string, CellResult>(made.map((one) => [one.id, one]));
    return studyVerdict(study([...byId.keys()], { complete }), byId);
  };

  test('names the cheapest cell that stays under a limit, and from where on the modes break the model', () => {
    expect(
      found([
        ['separate', 0.9, 5e-4],
        ['shared-kv', 0.9, 0.009],
        ['separate', 0.5, 0.008],
        ['shared-kv', 0.5, 2],
        ['separate', 0.3, 4],
        ['shared-kv', 0.3, 5],
      ]),
    ).toEqual([
      'Cheapest cell under KL 0.01 with at least 95 % top-1 agreement: separate 0.5 (45.0 % of the modified parameters, KL 0.00800 nats/token).',
      'At variance 0.3, separate breaks the model.',
      'At variance 0.5 and below, shared-kv breaks the model.',
    ]);
  });

  test('joins modes that break at the same threshold, and says so where none or all do', () => {
    expect(
      found([
        ['separate', 0.9, 0.1],
        ['shared-kv', 0.9, 0.3],
        ['separate', 0.5, 2],
        ['shared-kv', 0.5, 2],
      ]),
    ).toEqual([
      'No cell stays under KL 0.01 with at least 95 % top-1 agreement.',
      'Cheapest cell under KL 0.2 with at least 80 % top-1 agreement: separate 0.9 (81.0 % of the modified parameters, KL 0.100 nats/token).',
      'At variance 0.5, separate and shared-kv break the model.',
    ]);
    expect(
      found([
        ['separate', 0.9, 0.001],
        ['separate', 0.5, 0.001],
      ]),
    ).toContain('No cell breaks the model.');
    expect(
      found([
        ['separate', 0.9, 3],
        ['separate', 0.5, 2],
      ]),
    ).toEqual(['Every cell breaks the model: the mildest is separate 0.5 (KL 2.00 nats/token).']);
  });

  test('does not let matched partners compete, and says so', () => {
    const cells = [
      ['shared-kv', 0.9, 0.02],
      ['separate', 0.8, 0.005, 'partner'],
    ] as const;
    expect(found(cells)).toEqual([
      'Cheapest cell, partners aside, under KL 0.05 with at least 90 % top-1 agreement: shared-kv 0.9 (81.0 % of the modified parameters, KL 0.0200 nats/token).',
      'No cell breaks the model.',
    ]);
  });

  test('speaks only of the cells that are there', () => {
    const some = [
      ['separate', 0.9, 0.02],
      ['separate', 0.8, 0.03],
    ] as const;
    expect(found(some, false)).toEqual([
      'None of the 2 cells here stays under KL 0.01 with at least 95 % top-1 agreement.',
      'Cheapest of the 2 cells here under KL 0.05 with at least 90 % top-1 agreement: separate 0.8 (72.0 % of the modified parameters, KL 0.0300 nats/token).',
      'None of the 2 cells here breaks the model.',
    ]);
    expect(found(some.slice(0, 1), false)).toEqual([
      'No cell so far stays under KL 0.01 with at least 95 % top-1 agreement.',
      expect.stringMatching(/^Cheapest cell so far under KL 0\.05/),
    ]);
    const broken = some.map(([mode, variance]) => [mode, variance, 3] as const);
    expect(found(broken, false)[0]).toMatch(/^Each of the 2 cells here breaks the model/);
  });

  test('of a model that guesses has no cell that is cheap or broken, and of few documents only estimates', () => {
    const one = { ...cell('a', { mode: 'separate', variance: 0.9 }), scores: withKl(0.001, 0.3) };
    const words = (more: Partial<Study>) => studyVerdict(study(['a'], more), new Map([['a', one]]));
    const { model, text } = study([]);
    // An edit whose KL is small but whose first tokens are others: broken, and not cheap.
    expect(words({}).join(' ')).not.toContain('Cheapest');
    expect(words({ model: { ...model, vocabulary: 7 } })).toEqual([
      'The original is worse than uniform guessing: perplexity 7.389 with 7 tokens to choose from. Is it trained, and on ' +
        'such text? What an edit changes in it is no loss.',
    ]);
    const whole = { complete: true, text: { ...text, documents: 9 } };
    expect(
      studyVerdict(
        study(['a', 'b'], whole),
        new Map([
          ['a', one],
          ['b', one],
        ]),
      )[0],
    ).toBe('Point estimates: 9 documents are too few for intervals.');
  });

  describe('with controls', () => {
    const words = (documents: number) => {
      const ids = ['a', 'b', 'ar', 'br', 'an', 'bn'];
      const cells = new Map(ids.map((id) => [id, { ...cell(id, { mode: 'separate' }), scores: withKl(0.02, 0.97) }]));
      const control = (name: string, of: string, interval: readonly [number, number]) => ({
        control: name,
        cell: `${of}${name[0]}`,
        of,
        difference: { deltaNll: (interval[0] + interval[1]) / 2, interval, deltaKl: 0, intervalKl: null },
      });
      const controls = [
        control('random-subspace', 'a', [1, 2]),
        control('random-subspace', 'b', [-2, -1]),
        control('noise', 'a', [0.1, 0.2]),
        control('noise', 'b', [-0.1, 0.2]),
      ];
      const { text } = study([]);
      return studyVerdict(study(ids, { controls, text: { ...text, documents } }), cells).slice(-3);
    };

    test('says which cells beat them', () => {
      expect(words(10)).toEqual([
        '1 of 2 cells lose less than random directions of the same rank, 1 more.',
        '1 of 2 cells lose less than noise of the same norm, 1 not measurably less or more.',
        expect.stringMatching(/^Cells that lose less than each of their controls: separate \S+\.$/),
      ]);
    });

    test('says nothing of the kind of a few documents', () => {
      expect(words(9).at(-1)).toBe('9 documents: too few to tell cells from their controls.');
    });
  });

  test('does not sell a cell that saves nothing', () => {
    const one = { ...cell('a', { mode: 'separate', variance: 0.9 }, { groups: [group('k', 120, { k: 0.1 })] }) };
    const words = studyVerdict(study(['a']), new Map([['a', { ...one, scores: withKl(0.001, 0.99) }]]));
    expect(words[0]).toContain('120.0 % of the modified parameters');
    expect(words[0]).toContain('No such cell saves parameters.');
  });
});

describe('where the damage is', () => {
  const effect = (layer: number, deltaNll: number) => ({ layers: [layer], targets: ['v'], deltaNll });

  test('is the fewest parts that hold more than half of it', () => {
    expect(largestEffects([effect(0, 1), effect(1, 98), effect(2, 1)])).toEqual({
      worst: [effect(1, 98)],
      held: 98,
      total: 100,
      share: 0.98,
      sumName: 'the summed single effects',
    });
    expect(largestEffects([effect(0, 3), effect(1, 4), effect(2, 3)]).worst).toEqual([effect(1, 4), effect(0, 3)]);
    expect(largestEffects([effect(0, 0), effect(1, -1e-12)])).toMatchObject({ worst: [], held: 0, share: 0 });
    expect(largestEffects([effect(0, 3), effect(1, -1)])).toMatchObject({
      total: 3,
      sumName: 'the summed single effects above 0',
    });
  });

  test.each(['layer', 'projection', 'both'] as const)('states the finding of a study by %s', (by) => {
    const { study: whole, cells } = sensitivityStudy(by);
    const text = studyVerdict(whole, cells).join(' ');
    expect(text).toMatch(/^At variance 0\.\d+ .*(hold|holds) \d+ % of the summed single effects \(Δnll \S+ of \S+\)/);
    expect(text).not.toMatch(/undefined|NaN/);
    const missing = whole.sensitivity?.rows[0]?.cells[0];
    const rest = new Map([...cells].filter(([id]) => id !== missing));
    expect(studyVerdict(whole, rest).join(' ')).toMatch(/of the summed single effects, 1 of \d+ missing/);
  });
});

test('the yardstick is stated whole', () => {
  expect(yardstickText).toContain('q8_0 0.0014, q6_K 0.0055, q4_K_M 0.031, q3_K_M 0.1, q2_K 0.445');
});

function itemOf<T>(value: T | null): T {
  return itemAt(
    [value].filter((one): one is T => one !== null),
    0,
  );
}
