import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { licenceOf } from '../../src/checkpoint/licence.ts';
import { modelCard } from '../../src/report/model-card.ts';
import type { RunResult } from '../../src/results/run.ts';
import { temporaryFolder } from '../support/paths.ts';
import { run } from '../support/runs.ts';

const folder = temporaryFolder();

/** The Hub's front matter: in YAML, keys with a word or a JSON string, or a list of them. */
function frontMatter(card: string): Record<string, unknown> {
  const [, text = ''] = /^---\n(.*?)\n---\n/s.exec(card) ?? [];
  const found: Record<string, string | string[]> = {};
  const scalar = (word: string) => (word.startsWith('"') ? JSON.parse(word) : word);
  const list: string[] = [];
  for (const line of text.split('\n')) {
    const [, item] = /^ {2}- (\S+)$/.exec(line) ?? [];
    const [, key, value] = /^([a-z_]+):(?: (\S+))?$/.exec(line) ?? [];
    expect(item ?? key, line).toBeDefined();
    if (item !== undefined) list.push(scalar(item));
    else if (key !== undefined) found[key] = value === undefined ? list : scalar(value);
  }
  return found;
}

test('the card has the front matter of the Hub, the figures with their rules, and the command', () => {
  const made = run();
  const onHub = { ...made, model: { ...made.model, ref: 'org/name@main', path: '/cache/name' } };
  const card = modelCard(onHub, { name: 'apache-2.0', hasText: true });
  expect(frontMatter(card)).toEqual({
    base_model: 'org/name',
    license: 'apache-2.0',
    library_name: 'transformers',
    pipeline_tag: 'text-generation',
    tags: ['surgery', 'pca'],
  });
  for (const part of [made.text.rule, made.text.intervalRule, `npx ${made.command}`, 'apache-2.0, in the file LICENSE'])
    expect(card).toContain(part);
  expect(card).not.toContain('/cache/name');
});

test('of one document the card has no intervals, and it says what was not read', () => {
  const made = run();
  const card = (documents: number, intervals: RunResult['cell']['scores']['intervals']) =>
    modelCard(
      {
        ...made,
        text: { ...made.text, documents, unread: 16_123 },
        cell: { ...made.cell, scores: { ...made.cell.scores, intervals } },
      },
      undefined,
    );
  const alone = card(1, { deltaNll: null, kl: null });
  expect(alone).not.toMatch(/\[95 %\]|Intervals/);
  expect(alone).toContain('About 20,000 tokens were not read');
  const two = card(2, { deltaNll: [0.25, 0.75], kl: [0.25, 0.75] });
  expect(two).toContain('2 documents: too few for intervals.');
  expect(two).not.toMatch(/\[95 %\]|0\.25/);
  expect(card(10, { deltaNll: [0.25, 0.75], kl: [0.25, 0.75] })).toMatch(/\[95 %\].*\[0\.25, 0\.75\]/s);
});

test('a folder is no model of the Hub, and a licence that nothing says is unknown', () => {
  const made = run();
  const here = { ...made, model: { ...made.model, ref: 'my/model', path: 'my/model' } };
  const card = modelCard(here, undefined);
  expect(Object.keys(frontMatter(card))).toEqual(['library_name', 'pipeline_tag', 'tags']);
  expect(card).toContain('# model, edited');
  expect(card).toContain('Licence: unknown');
});

test("a licence is the card's, or the text's in the folder", async () => {
  expect(await licenceOf(folder)).toBeUndefined();
  writeFileSync(join(folder, 'README.md'), '# A model\nlicense: mit\n');
  expect(await licenceOf(folder)).toBeUndefined();
  writeFileSync(join(folder, 'LICENSE'), 'All may use it.');
  expect(await licenceOf(folder)).toEqual({ name: 'other', hasText: true });
  writeFileSync(join(folder, 'README.md'), '---\ntags: [a]\nlicense: "llama3.2"\n---\n# A model\n');
  expect(await licenceOf(folder)).toEqual({ name: 'llama3.2', hasText: true });
});
