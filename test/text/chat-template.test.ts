import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderTemplate } from '../../src/text/chat-template.ts';
import { fixture } from '../support/paths.ts';

interface Rendered {
  readonly messages: readonly object[];
  readonly variables: object;
  /** Templates with the text that transformers makes of them, null where it refuses them. */
  readonly same: readonly (readonly [string, string | null])[];
  readonly refused: readonly (readonly [string, string | null])[];
}

const { messages, variables, same, refused }: Rendered = JSON.parse(
  readFileSync(join(fixture('chat'), 'templates.json'), 'utf8'),
);
const given = { ...variables, messages, tools: null, documents: null, add_generation_prompt: true };

describe('the text is that of transformers, and what it refuses is refused', () => {
  test('there are templates to compare, of both kinds', () => {
    expect(same.filter(([, text]) => text !== null).length).toBeGreaterThan(120);
    expect(same.filter(([, text]) => text === null).length).toBeGreaterThan(50);
  });

  test.each(same)('%j', (template, text) => {
    if (text === null) expect(() => renderTemplate(template, given)).toThrow();
    else expect(renderTemplate(template, given)).toBe(text);
  });
});

test.each(refused)('refused, though transformers takes it: %j', (template, text) => {
  expect(text).not.toBeNull();
  expect(() => renderTemplate(template, given)).toThrow();
});

test('the date', () => {
  const format = '%Y %y %m %-m %d %-d %b %B %a %A %H %I %M %S %p %%';
  expect(renderTemplate(`{{ strftime_now("${format}") }}`, {})).toMatch(
    /^(\d{4} \d\d \d\d \d{1,2} \d\d \d{1,2}) [A-Z][a-z]{2} [A-Z][a-z]+ [A-Z][a-z]{2} [A-Z][a-z]+day (\d\d ){4}[AP]M %$/,
  );
  expect(() => renderTemplate('{{ strftime_now("%Q") }}', {})).toThrow('strftime_now has %Q, allowed: %Y');
});

describe('what a template may take', () => {
  const turns = (n: number) => `{% for i in range(${n}) %}${'{% for j in range(100) %}.{% endfor %}'}{% endfor %}`;

  test('ten thousand turns are well within it, a hundred thousand are not', () => {
    expect(renderTemplate(turns(100), {})).toHaveLength(10_000);
    expect(() => renderTemplate(turns(1000), {})).toThrow(/too many steps/);
  });

  test('a long message is well within it', () => {
    const chat = "{% for m in messages %}{{ '<' ~ m.role ~ '>' ~ m.content | trim }}{% endfor %}";
    const long = [{ role: 'user', content: 'word '.repeat(100_000) }];
    expect(renderTemplate(chat, { messages: long }).length).toBeGreaterThan(400_000);
  });

  test.each([
    ["{{ 'a'|indent(100000000) }}"],
    ["{{ 'a' * 100000000 }}"],
    ["{% set x = 'ab' * 900000 %}{{ range(9)|join(x) }}"],
    ["{% set x = 'ab' * 900000 %}{{ x.replace('a', x) }}"],
    ["{% set x = 'ab' * 900000 %}{{ 'aaa'|replace('a', x) }}"],
    ["{% set x = 'ab' * 900000 %}{{ x.join(['a', 'b', 'c']) }}"],
    ['{{ range(99999)|list|tojson(indent=100) }}'],
    ["{% set x = 'ab' * 900000 %}{{ x }}{{ x }}"],
  ])('no value and no text is longer than it may be: %s', (template) => {
    expect(() => renderTemplate(template, {})).toThrow(/it makes a value of more than/);
  });

  test('blanks, quotes and brackets in great numbers take no time', () => {
    for (const part of [' ', '{%', "{{ '", '{{ [', '{# ', '{% raw ', '\\', '1_', ' {{- 1 -}} '])
      try {
        renderTemplate(part.repeat(Math.floor(99_000 / part.length)), {});
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
  }, 5_000);
});
