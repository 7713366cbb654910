// The pages for people: their links lead somewhere, and the commands, options and programs that they show are there.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './support/paths.ts';

const cli = join(root, 'dist/cli.js');
const folders = ['src', 'scripts', 'results', 'test/fixtures'];
const pages = [
  join(root, 'README.md'),
  ...folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(root, folder, file)),
  ),
];
const textOf = (page: string) => readFileSync(page, 'utf8');
const program = (...args: string[]) => execFileSync(process.execPath, [cli, ...args], { encoding: 'utf8', cwd: root });

/** Blocks of code in one language, `''` where none is named. */
const blocks = (text: string, language: string) =>
  [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)].filter(([, name]) => name === language).map(([, , code = '']) => code);

/** As GitHub names a heading in an address. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');

test('the first page has at most 150 lines and leads to every other page of the source tree', () => {
  const text = textOf(join(root, 'README.md'));
  expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(150);
  const rooms = pages.map((page) => relative(root, page)).filter((page) => /^src\/.*README\.md$/.test(page));
  expect(rooms.filter((page) => !text.includes(`(${page}`))).toEqual([]);
});

test('every link leads to a file, and to a heading in it', () => {
  const links = pages.flatMap((page) =>
    [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => ({ page, to })),
  );
  expect(links.length).toBeGreaterThan(40);
  const broken = links.filter(({ page, to }) => {
    const [path = '', heading] = to.split('#');
    const file = resolve(dirname(page), path);
    if (!existsSync(file)) return true;
    if (heading === undefined) return false;
    return ![...textOf(file).matchAll(/^#+ (.*)$/gm)].some(([, title = '']) => anchor(title) === heading);
  });
  expect(broken.map(({ page, to }) => `${relative(root, page)}: ${to}`)).toEqual([]);
});

test('the first page lists the commands that there are', () => {
  const [, section = ''] = /^## Which question, which command\n(.*?)^## /ms.exec(textOf(join(root, 'README.md'))) ?? [];
  const named = [...section.matchAll(/^\| `([a-z]+)` \|/gm)].map(([, name]) => name);
  const there = [...program('--help').matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name);
  expect(named.sort()).toEqual(there.sort());
});

test('every option that is shown belongs to its command', () => {
  const shown = pages.flatMap((page) =>
    blocks(textOf(page), '')
      .flatMap((block) => [...block.matchAll(/^(?:\$ )?(?:npx )?surgery ([a-z]+)(.*)$/gm)])
      .map(([, command = '', rest = '']) => ({ page, command, options: rest.replace(/\s#.*/, '').match(/--[\w-]+/g) })),
  );
  expect(shown.length).toBeGreaterThan(30);
  const help = new Map(
    [...new Set(shown.map(({ command }) => command))].map((name) => [name, program(name, '--help')]),
  );
  const wrong = shown.flatMap(({ page, command, options }) =>
    (options ?? [])
      .filter((option) => !new RegExp(`^  (-\\w, )?${option}\\b(?!-)`, 'm').test(help.get(command) ?? ''))
      .map((option) => `${relative(root, page)}: surgery ${command} ${option}`),
  );
  expect(wrong).toEqual([]);
});

test('the program in the page on the library runs', () => {
  const [code = ''] = blocks(textOf(join(root, 'src/README.md')), 'js');
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
    encoding: 'utf8',
    cwd: root,
  });
  const [original, variant, kl] = printed.trim().split(' ').map(Number);
  expect(original).toBeGreaterThan(1);
  expect(variant).toBeGreaterThan(1);
  expect(kl).toBeGreaterThan(0);
});
