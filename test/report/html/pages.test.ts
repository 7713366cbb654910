// The pages as text: nothing of theirs is markup, nothing asks for anything, the same results give the same bytes.
import { describe, expect, test } from 'vitest';
import { comparePage } from '../../../src/report/html/compare-page.ts';
import { modelName } from '../../../src/report/html/header.ts';
import { type Fragment, html, raw } from '../../../src/report/html/html.ts';
import { panelSvg } from '../../../src/report/html/panels.ts';
import { runPage } from '../../../src/report/html/run-page.ts';
import { studyPage } from '../../../src/report/html/study-page.ts';
import { studyText } from '../../../src/report/terminal/study.ts';
import { content, expectAlone, expectNamed, expectWellFormed, expectWords, hostile } from '../../support/pages.ts';
import { run, sample } from '../../support/runs.ts';
import { cell, group, largeStudy, measured, sensitivityStudy, study, withoutIntervals } from '../../support/studies.ts';

test('a template escapes what it is given, but for what is markup already', () => {
  const parts: Fragment[] = [html`<b>${'<'}</b>`, '&', 7, false, undefined, null];
  expect(html`<p title="${`"'`}">${parts}</p>${raw('<hr>')}`.text).toBe(
    '<p title="&#34;&#39;"><b>&#60;</b>&#38;7</p><hr>',
  );
});

describe('the page of a run', () => {
  test('has what was done, what it cost, the texts and the weights, by itself and always alike', async () => {
    const page = await runPage(run());
    expect((await runPage(run())) === page).toBe(true);
    expectWellFormed(page);
    expectAlone(page);
    expectWords(page, [
      'org/name: shared-kv, variance 0.7, mean kept',
      '2026-01-02 03:04 UTC',
      'surgery run',
      'abc',
      'Each alone.',
    ]);
    expect(content(page).match(/NaN|undefined|Infinity/)).toBeNull();
    expect(page.match(/<svg role="img"/g)).toHaveLength(4); // a spectrum a layer, ranks of q and of kv
  });

  test('numbers figures and tables each from 1', async () => {
    const numbers = [...(await runPage(run())).matchAll(/<b>(Figure|Table) (\d+)\./g)].map(
      ([, kind, n]) => `${kind} ${n}`,
    );
    expect(numbers).toEqual(['Table 1', 'Figure 1', 'Figure 2']);
  });

  test('says what was not read and that documents are few, as the terminal does', async () => {
    const text = { ...run().text, documents: 2, unread: 16_123 };
    const page = await runPage(run({ text }));
    expectWords(page, ['About 20,000 tokens were not read', '2 documents: too few for intervals.']);
    expect(content(page)).not.toMatch(/\[-?\d/);
    expect(content(await runPage(run()))).toMatch(/\[-?\d/);
  });

  test('escapes what models, prompts and files are called and say', async () => {
    const text = { ...run().text, text: hostile, rule: hostile };
    const pair = [sample([hostile], { prompt: hostile }), sample([hostile, hostile])] as const;
    const model = { ...run().model, ref: hostile, notice: hostile };
    const page = await runPage(run({ model, command: hostile, text, versions: { [hostile]: hostile } }, [pair]));
    expectWellFormed(page);
    expectAlone(page);
    expect(page.match(/<script>/g)).toHaveLength(1);
    expect(page.match(/onerror=alert\(1\)>/)).toBeNull();
    expect(page.match(/[^\P{Cc}\n]/u)).toBeNull();
    expect(page.includes('&#60;img src=x onerror=alert(1)&#62;')).toBe(true);
  });
});

test('an error above 1 is marked and explained, for each projection by itself', async () => {
  const of = (k: number) => {
    const layers = [0, 1].map((layer) => ({ layer, groups: [group('kv', 5, { k, v: 0.1 })] }));
    const one = cell('one', { mode: 'shared-kv', variance: 0.7, layers: [0, 1] }, { layers });
    return studyPage(study(['one']), new Map([['one', one]]));
  };
  expectWords(await of(1.2), ['error of k', '1.2000!', '0.1000', '! relative error above 1: all zeros']);
  expect((await of(0.9)).includes('above 1')).toBe(false);
});

test('so is the error of a cell in the table of all', async () => {
  const { footprint } = cell('one', { mode: 'shared-kv' });
  if (!footprint) throw new TypeError('no footprint');
  const of = (relativeError: number) => {
    const cells = ['a', 'b'].map((id) => cell(id, { mode: 'shared-kv', variance: id === 'a' ? 0.9 : 0.5 }));
    const marked = cells.map((one) => ({ ...one, footprint: { ...footprint, relativeError } }));
    return comparePage(
      [{ label: 'A', study: study(['a', 'b']), cells: new Map(marked.map((one) => [one.id, one])) }],
      'x',
    );
  };
  expectWords(await of(1.02), ['1.020!', '! relative error above 1: all zeros']);
  expect((await of(0.98)).includes('above 1')).toBe(false);
});

test('where no figure has an interval, no title and no caption promises one', async () => {
  const [one, ...rest] = [largeStudy(), sensitivityStudy('both'), sensitivityStudy('layer', [{ rank: 3 }])].map(
    ({ study: whole, cells }) => ({
      study: withoutIntervals(whole),
      cells: new Map([...cells].slice(0, 400).map(([id, own]) => [id, withoutIntervals({ ...own, tasks: undefined })])),
    }),
  );
  if (!one) throw new TypeError('no study');
  for (const { study: whole, cells } of [one, ...rest]) {
    const untasked = {
      ...whole,
      tasks: undefined,
      original: whole.original && { ...whole.original, tasks: undefined },
    };
    for (const text of [await studyPage(untasked, cells), studyText(untasked, cells, 'x')])
      expect(content(text).match(/.{0,40}(\[95 %|Error bars|list the intervals).{0,40}/g)).toBeNull();
  }
  expect(content(await comparePage([{ label: 'A', ...one }], 'x'))).not.toMatch(/\[95 %|Error bars/);
});

describe('samples', () => {
  const side = (page: string, n: number) => page.split('<div class="side">')[n + 1]?.split('</div>')[0] ?? '';

  test('mark the first token that differs, and shade by how much the probability moved', async () => {
    const probabilities = { original: [0.9, 0.5, 0.5, 0.2], operated: [0.91, 0.1, 0.45, 0.9] };
    const pieces = [' a', ' b', ' c', ' d'];
    const pair = [sample(pieces, probabilities), sample(pieces, { ids: [0, 1, 9, 3], ...probabilities })] as const;
    const page = await runPage(run({}, [pair]));
    const spans = [...side(page, 0).matchAll(/<span(?: class="(\w+)")? title="([^"]*)">(\w)<\/span>/g)];
    expect(spans.map(([, shade, moved, text]) => [text, shade, moved])).toEqual([
      ['a', undefined, '·a 0.900 → 0.910'],
      ['b', 'm3', '·b 0.500 → 0.100'],
      ['c', 'm1', '·c 0.500 → 0.450'],
      ['d', 'p4', '·d 0.200 → 0.900'],
    ]);
    for (const n of [0, 1]) expect(side(page, n)).toMatch(/<mark class="fork"><span[^>]*>c<\/span><\/mark>/);
    expectWords(page, ['First differing token: 3 of 4.']);
  });

  test('show tokens that only together make a character as one', async () => {
    const halves = { original: [0.5, 0.5], operated: [0.5, 0.25] };
    const page = await runPage(run({}, [[sample(['', 'é'], halves), sample(['', 'é'], halves)]]));
    expect(side(page, 0)).toMatch(/<span class="m2" title="é 0.250 → 0.125">é<\/span>/);
    expectWords(page, ['The two texts are identical.']);
  });

  test('a shaded token of white space alone has its mark, others stay as they are', async () => {
    const moved = { original: [0.5, 0.5, 0.5], operated: [0.1, 0.5, 0.5] };
    const pieces = ['\n', '\n\n', '  a'];
    const page = await runPage(run({}, [[sample(pieces, moved), sample(pieces, moved)]]));
    expect(side(page, 0)).toContain('<span class="m3" title="⏎ 0.500 → 0.100">⏎</span>\n');
    expect(side(page, 0)).toContain('\n\n<span title="⏎⏎ 0.500 → 0.500"></span>');
    expect(side(page, 0)).toContain('  <span title="··a 0.500 → 0.500">a</span>');
  });

  test('a text that ends earlier parts from the longer one where it ends', async () => {
    const page = await runPage(run({}, [[sample([' a', ' b']), sample([' a'])]]));
    expectWords(page, ['First differing token: 2 of 2.']);
  });
});

describe('the page of a study', () => {
  /** 542 cells: drawn once. */
  let drawn: Promise<string> | undefined;
  const large = () => {
    const { study, cells } = largeStudy();
    drawn ??= studyPage(study, cells);
    return drawn;
  };

  test('a large one: every mode, pairs, controls, tasks, angles; under 3 MB', async () => {
    const page = await large();
    expectWellFormed(page);
    expectAlone(page);
    expect(content(page).match(/NaN|undefined|Infinity/)).toBeNull();
    expect(Buffer.byteLength(page)).toBeLessThan(3e6);
    expectWords(page, ['Loss', 'Matched comparisons', 'Questions', 'Weights', 'What this does not show.']);
  });

  test('marks of a chart carry their series and their words, and a legend names every series', async () => {
    const page = await large();
    expect(expectNamed(page).size).toBeGreaterThan(10);
    expect(/<title>[^<]*Δnll \+[\d.e-]+ \[/.test(page)).toBe(true);
  });

  test('sensitivity: the map with its table, and whether the effects add up', async () => {
    const { study, cells } = sensitivityStudy('projection');
    const page = await studyPage(study, cells);
    expectWellFormed(page);
    expectAlone(page);
    expectWords(page, ['Where it hurts', 'all at once', 'Do the effects add up?']);
    expect(content(page).match(/NaN|undefined|Infinity/)).toBeNull();
  });

  test('sensitivity at one budget: bars with intervals, a card for what hurts most, samples called by their unit', async () => {
    const { study, cells } = sensitivityStudy('both', [{ variance: 0.5 }]);
    const page = await studyPage(study, cells);
    expectWellFormed(page);
    expectNamed(page);
    expect(content(page).match(/<title>k of layer 20&#xA;width [^<]*&#xA;Δnll \+/)).not.toBeNull();
    expectWords(page, ['q of layer 0', 'The 60 largest of 88.', 'of the summed single effects at variance 0.5 (ΔNLL ']);
  });

  test('of few documents no pair is won', async () => {
    const { study: whole, cells } = largeStudy();
    const pageOf = (documents: number) => studyPage({ ...whole, text: { ...whole.text, documents } }, cells);
    expect(content(await pageOf(10))).toContain('won by shared');
    expect(content(await pageOf(9))).not.toContain('won by');
  });

  test('what is left out: controls of a study without them, lines of one point', async () => {
    const cells = measured((['separate', 'shared-kv'] as const).map((mode) => ({ mode, variance: 0.9, mean: 'keep' })));
    const page = await studyPage(study([...cells.keys()]), cells);
    expectWords(page, ['2 cells', 'KL from the original']);
    expect(content(page)).not.toMatch(/of them controls|role="radiogroup"|more cell/);
    const [first = ''] = cells.keys();
    const part = await studyPage(study([first]), cells);
    expect(content(part)).toMatch(/1 cell; 1 more cell in the folder is not in this command.{1,5}s grid and not shown/);
  });

  test('says in title what the budgets are, and names a folder without those above it', async () => {
    const cells = measured([16, 8].map((rank) => ({ mode: 'separate', rank, mean: 'keep' }) as const));
    const one = study([...cells.keys()]);
    const page = await studyPage({ ...one, model: { ...one.model, ref: '/home/me/models/stories' } }, cells);
    expect(/<h1>.*?<\/h1>/.exec(page)?.[0]).toBe('<h1>stories: separate at rank 16, 8</h1>');
    expectWords(page, ['Model’s folder']);
  });

  test('does not say at equal variance which mode keeps more, nor names columns and partners that are not there', async () => {
    const cells = smallStudy();
    const page = await studyPage(study([...cells.keys()]), cells);
    expectWords(page, ['another number of components']);
    expect(content(page)).not.toMatch(/fewer (components|parameters)|separate partner/);
    const [one] = cells.values();
    if (!one?.footprint) throw new TypeError('no footprint');
    const narrow = { ...one, footprint: { ...one.footprint, width: null } };
    expect(content(await studyPage(study([one.id]), new Map([[one.id, narrow]])))).not.toMatch(/[Ww]idth: /);
  });

  test('one that is not finished says so', async () => {
    const cells = smallStudy();
    const page = await studyPage(study(['c0', 'c1', 'c2', 'c3', 'missing']), cells);
    expectWords(page, ['4 of 5 cells are done']);
    expectWellFormed(page);
  });
});

/** Two modes at two thresholds. */
function smallStudy() {
  return measured(
    (['separate', 'shared-kv'] as const).flatMap((mode) =>
      [0.9, 0.5].map((variance) => ({ mode, variance, mean: 'keep' }) as const),
    ),
  );
}

test('twelve studies: a short title, the table first, the rule once, each study in a panel of its own', async () => {
  const cells = smallStudy();
  const entries = Array.from({ length: 12 }, (_, i) => ({
    label: `study-${i}`,
    cells,
    study: study([...cells.keys()]),
  }));
  const page = await comparePage(entries, 'surgery report');
  expectWellFormed(page);
  expectAlone(page);
  expect(page).toContain('<h1>12 studies side by side</h1>');
  expect(page.indexOf('data-csv="cells"')).toBeLessThan(page.indexOf('<svg role="img"'));
  expect(page.match(/Each alone/g)).toHaveLength(1);
  expect(page.match(/study-11: shared-kv<\/p>/g)?.length).toBeGreaterThan(1); // a panel for each axis
});

test('a bar of an interval ends where its axis does', async () => {
  const y = { label: 'share', domain: [0, 1] as const };
  const mark = { x: 1, y: 0.5, tip: 'wide' };
  const panel = (ends: object) => ({
    about: '',
    x: { label: 'x', domain: [0, 2] as const },
    y,
    lines: [{ series: { name: '', colour: 's0' }, marks: [{ ...mark, ...ends }] }],
  });
  const beyond = await panelSvg(panel({ low: -4.6, high: 5.4 }));
  expect(beyond.text).toBe((await panelSvg(panel({ low: 0, high: 1 }))).text);
});

test('the page of several studies has a line a study and mode, and says in what they differ', async () => {
  const cells = smallStudy();
  const one = { label: 'one', cells, study: study([...cells.keys()]) };
  const model = { ...one.study.model, sha256: 'else' };
  const page = await comparePage(
    [one, { ...one, label: 'other <b>', study: { ...one.study, model } }],
    'surgery report',
  );
  expectWellFormed(page);
  expectAlone(page);
  expectWords(page, ['These studies differ in the model (org/name, but not the same).']);
  for (const name of ['one: separate', 'one: shared-kv', 'other &#60;b&#62;: separate', 'other &#60;b&#62;: shared-kv'])
    expect(page.includes(`data-key="${name}"`), name).toBe(true);
  const alike = await comparePage([one, { ...one, label: 'again' }], '');
  expectWords(alike, [
    'The model, the tokens of the text, the scoring rule, the precision and the versions are the same',
  ]);
});

test('the page of several studies calls texts the same by their tokens alone', async () => {
  const cells = smallStudy();
  const base = study([...cells.keys()]);
  const pageWith = (documents: string, text: Partial<typeof base.text> = {}) => {
    const other = { ...base, context: { ...base.context, documents }, text: { ...base.text, ...text } };
    return comparePage(
      [
        { label: 'one', cells, study: base },
        { label: 'two', cells, study: other },
      ],
      '',
    );
  };
  const same = 'all figures can be compared with each other';
  // Of the same name and length.
  const changed = await pageWith('c');
  expectWords(changed, ['differ in the text (10 documents of at most 512 tokens of text.txt, but not the same).']);
  expect(content(changed)).not.toContain(same);
  const unknown = await pageWith('');
  expectWords(unknown, ['Whether the text is the same is not known: two holds no hash of it.']);
  expect(content(unknown)).not.toContain(same);
  const few = await pageWith('b', { documents: 9 });
  expectWords(few, ['Too few documents for intervals, fewer than 10: two.']);
  expect(content(changed)).not.toContain('Too few documents');
  // Of another name.
  expectWords(await pageWith('b', { text: 'copy.txt' }), [same]);
  expectWords(await pageWith('b', { rule: 'other' }), ['differ in the scoring rule (one: each alone; two: other).']);
});

test('a title has a folder’s own name, a model of the Hub all of its name', () => {
  const names = ['/home/me/models/tiny', '../tiny/', './tiny', 'org/name@main', 'pocket', 'results/x/model', '/'];
  expect(names.map(modelName)).toEqual(['tiny', 'tiny', 'tiny', 'org/name@main', 'pocket', 'x/model', '/']);
});
