// Pages of what was found inside: whole, quiet, by themselves, and as sections of another report.
import { describe, expect, test } from 'vitest';
import type { LensResult } from '../../../../src/analyses/lens/result.ts';
import { type Finding, findingKinds } from '../../../../src/analyses/results.ts';
import { findingSections, findingsPage } from '../../../../src/report/html/analyses/page.ts';
import { comparedStudy } from '../../../../src/report/html/compare-page.ts';
import { runPage } from '../../../../src/report/html/run-page.ts';
import { asStudy, type RunResult } from '../../../../src/results/run.ts';
import { basisResult, findings, lensResult } from '../../../support/findings.ts';
import { content, expectAlone, expectNamed, expectWellFormed, expectWords, hostile } from '../../../support/pages.ts';
import { run } from '../../../support/runs.ts';

const pageOf = (finding: Finding) => findingsPage([{ label: finding.kind, finding }], '');
const { lens, unlikely, probe, basis, outliers } = findings();
/** Each drawn once. */
const pages = {
  lens: pageOf(lens),
  unlikely: pageOf(unlikely),
  probe: pageOf(probe),
  basis: pageOf(basis),
  outliers: pageOf(outliers),
};

const words = {
  lens: [
    'Likeliest next token at each layer',
    'The lens at every layer',
    'Steps between layers',
    'Uniform baseline over 1,024 tokens',
    'What the operation changes',
    'After “·dog2” the model predicts “·dog”',
  ],
  unlikely: ['Near-impossible next tokens', 'final probability &#60; 1e-6', 'mixtures of tokens', 'From the middle'],
  probe: [
    'Predicting the input token',
    'Predicting the previous token',
    'Is the probe similar to the embedding?',
    'Where the input is',
  ],
  outliers: ['The largest numbers around down by layer', '1.down[6,5]', '“·dog”'],
  basis: ['A basis of the embedding: dictionary', '40 components', 'Coherence of the atoms', 'Shares along the basis'],
};

test.each(findingKinds)('the page of %s has its head, its figures with rules and tables', async (kind) => {
  const page = await pages[kind];
  expect((await findingsPage([{ label: 'other', finding: findings()[kind] }], 'else')) === page).toBe(true);
  expectWellFormed(page);
  expectAlone(page);
  expect(expectNamed(page).size).toBeGreaterThan(2);
  expect(content(page).match(/NaN|undefined|Infinity|null/)).toBeNull();
  expectWords(page, [...words[kind], `surgery ${kind}`, 'shared-kv, variance 0.7', 'text.txt', 'abc', 'def', 'seed 7']);
  expectWords(
    page,
    ['What this does not show.', '· is a space, ⏎ a line break'].slice(0, kind === 'lens' || kind === 'basis' ? 2 : 1),
  );
  // Every chart has its numbers in a table: its own, or the one of components, or that after the last token.
  const figures = content(page).split('<figure ').slice(1);
  const bare = figures.filter((figure) => !figure.includes('<table'));
  expect(bare).toHaveLength({ lens: 4, unlikely: 0, probe: 0, basis: 1, outliers: 0 }[kind]);
});

test('the same result gives the same page, whatever it is called', async () => {
  expect((await findingsPage([{ label: 'other', finding: basis }], 'else')) === (await pages.basis)).toBe(true);
});

describe('the lens on a prompt', () => {
  test('tokens stay text, in cells and in read-outs', async () => {
    const result = lensResult(hostile);
    const names = [hostile, `"\u2028]`, "']"];
    const page = await pageOf({
      kind: 'lens',
      result: { ...result, points: names, text: renamed(result.text, names) },
    });
    expectWellFormed(page);
    expectAlone(page);
    expect(page.match(/<script>/g)).toHaveLength(1);
    expect(page.match(/[^\P{Cc}\n]/u)).toBeNull();
    expect(page.includes('&#60;/scrip')).toBe(true);
  });

  test('one longer than a page shows has its last tokens, and says so', async () => {
    const page = await pageOf({ kind: 'lens', result: lensResult('▁a', 40) });
    expectWords(page, ['The last 32 of 40 tokens', '8 ·a8', '39 ·a39']);
    expect(content(page).includes('7 ·a7<')).toBe(false);
    const maps = [...page.matchAll(/tokens (\d+) to (\d+)<\/p>/g)].slice(0, 6).map(([, from, to]) => [from, to].join());
    expect(maps).toEqual(['8,18', '8,18', '19,29', '19,29', '30,39', '30,39']);
  });
});

test('a share’s interval ends at 0 and 100 %', async () => {
  const { text, ...rest } = lensResult();
  if (!text) throw new TypeError('no text');
  const wide = { mean: 0.5, interval: [-4.6, 5.4] as const };
  const variants = text.variants.map((one) => ({
    ...one,
    points: one.points.map((point) => ({ ...point, sameTop: wide })),
  }));
  const page = await pageOf({ kind: 'lens', result: { ...rest, prompts: [], text: { ...text, variants } } });
  expectWords(page, ['50.0 % [0.0 %, 100.0 %]']);
  expect(content(page).includes('540.0 %')).toBe(false);
});

test('the probe’s R² of the residual itself, thousands below 0, is in the table and not in the chart', async () => {
  const page = await pages.probe;
  expect(page.includes('R², original: -')).toBe(false);
  expect(page.includes('R², original: 0.0')).toBe(true);
  expectWords(page, ['-2.4e+3', 'The table also lists R² below -0.25.']);
});

/** A text's figures at points of these names. */
function renamed(text: LensResult['text'], names: readonly string[]): LensResult['text'] {
  const variants = (text?.variants ?? []).map((one) => ({
    ...one,
    points: one.points.map((point, i) => ({ ...point, point: names[i] ?? '' })),
  }));
  return text && { ...text, variants };
}

test('sizes and errors that cannot be have no place in a chart, and hold nothing up', async () => {
  const result = basisResult();
  const reconstruction = [0, -1, Number.POSITIVE_INFINITY].map((components) => ({ components, error: Number.NaN }));
  const shares = { embed: Number.POSITIVE_INFINITY, unembed: 0 };
  const components = result.components.map((one) => ({ ...one, shares }));
  expectWellFormed(await pageOf({ kind: 'basis', result: { ...result, reconstruction, components } }));
});

describe('several results', () => {
  test('on a page of their own: titles and addresses differ', async () => {
    const seeded: Finding = { kind: 'basis', result: { ...basisResult(), seed: 9 } };
    const entries = [
      { label: 'one', finding: basis },
      { label: 'two <b>', finding: seeded },
      { label: 'prompts', finding: lens },
    ];
    const page = await findingsPage(entries, 'surgery report one two');
    expectWellFormed(page);
    expectAlone(page);
    expectNamed(page);
    expectWords(page, [
      'Shares along the basis (one)',
      'Shares along the basis (two &#60;b&#62;)',
      'Steps between layers',
      'Sources of the results',
      'These results differ in the seed (one, prompts: 7; two &#60;b&#62;: 9).',
      'surgery report one two',
    ]);
    expect(content(page).includes('Steps between layers (')).toBe(false);
  });

  test('as sections of a run’s report, which says in what they differ from it', async () => {
    const { model, documentsSha256, versions } = lens.result;
    const own = run({ model: { ...run().model, sha256: model.sha256 }, documentsSha256, versions });
    const others = (one: RunResult) => [comparedStudy({ label: 'run', ...asStudy(one) })];
    const report = { command: 'surgery report run lens', others: others(own) };
    const page = await runPage(run(), await findingSections([{ label: 'lens', finding: lens }], report));
    expectWellFormed(page);
    expectAlone(page);
    expectNamed(page);
    expectWords(page, ['Loss', 'The lens over depth', 'surgery report run lens', 'surgery lens']);
    expect(content(page).includes('differ in')).toBe(false);
    const other = run({ model: { ...own.model, sha256: 'else' }, documentsSha256, versions });
    const sections = await findingSections([{ label: 'lens', finding: lens }], { ...report, others: others(other) });
    expect(sections.at(-1)?.lead).toBe('The results on this page differ in the model (org/name, but not the same).');
    expect(await findingSections([], report)).toEqual([]);
  });
});
