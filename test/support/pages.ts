// What every page of the report has to be, whatever it was made from.
import { createHash } from 'node:crypto';
import { expect } from 'vitest';

/** What a checkpoint or a prompt may try. */
export const hostile = '</script></title><img src=x onerror=alert(1)>&"\'\u0000\u001b[31m';

/** Every tag closed in its order, every attribute quoted or bare. */
export function expectWellFormed(page: string) {
  const empty = ['meta', 'br', 'input'];
  const body = page.replace(/^<!doctype html>/, '').replace(/<(style|script)>.*?<\/\1>/gs, '<$1></$1>');
  const open: string[] = [];
  for (const [, close, name = '', self] of body.matchAll(/<(\/?)([\w-]+)(?:\s+[\w:-]+(?:="[^"<]*")?)*\s*(\/?)>|</g)) {
    if (name === '') expect.fail('a bare <');
    if (close) expect(open.pop()).toBe(name);
    else if (!self && !empty.includes(name)) open.push(name);
  }
  expect(open).toEqual([]);
}

/** Nothing in the page points outside it. */
export function expectAlone(page: string) {
  const tags =
    content(page)
      .replace(/"[^"]*"/g, '""')
      .match(/<[a-z][^>]*>/g) ?? [];
  expect(tags.filter((tag) => /^<(?:img|image|use|link|iframe|object|embed|form|base)\b/.test(tag))).toEqual([]);
  expect(tags.filter((tag) => /\s(?:src|srcset|xlink:href|action|style|on\w+)=/.test(tag))).toEqual([]);
  expect(page.match(/url\(|@import/)).toBeNull();
  expect([...page.matchAll(/href="([^"]*)"/g)].map(([, to]) => to?.[0]).filter((first) => first !== '#')).toEqual([]);
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, to] of page.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(to);
  const [, policy = ''] = /Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
  const hashes = [...page.matchAll(/<(style|script)>(.*?)<\/\1>/gs)].map(
    ([, tag, text = '']) => `${tag}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  );
  expect(hashes).toHaveLength(2);
  expect(policy).toBe(["default-src 'none'", ...hashes, "base-uri 'none'", "form-action 'none'"].join('; '));
}

/** A legend names every series that a chart draws. */
export function expectNamed(page: string) {
  // Vega's escapes are others than ours.
  const ours = page.replaceAll('&lt;', '&#60;').replaceAll('&gt;', '&#62;').replaceAll('&amp;', '&#38;');
  const drawn = new Set([...ours.matchAll(/data-s="([^"]*)"/g)].map(([, name]) => name));
  const named = new Set([...page.matchAll(/data-key="([^"]*)"/g)].map(([, name]) => name));
  expect([...drawn].filter((name) => !named.has(name))).toEqual([]);
  return drawn;
}

/** Without our own style sheet and script. */
export const content = (page: string) => page.replace(/<style>.*?<\/style>|<script>.*?<\/script>/gs, '');
const words = (page: string) => content(page).replace(/<[^>]*>/g, '');

/** A failure names the text, not the whole page. */
export function expectWords(page: string, texts: readonly string[]) {
  expect(texts.filter((text) => !words(page).includes(text))).toEqual([]);
}
