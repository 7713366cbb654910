// The tree's rule: a folder imports only from folders before it, and the native library has one importer.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './support/paths.ts';
import { alone } from './vitest.config.ts';

const src = join(root, 'src');
const order = [
  'platform',
  'checkpoint linalg',
  'hub text graph',
  'runtime',
  'operations',
  'scores',
  'generate',
  'results',
  'analyses experiments',
  'report',
  'commands',
  'cli index',
];
const level = (part: string) => order.findIndex((parts) => parts.split(' ').includes(part));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  /** Only when it is called for. */
  readonly lazy: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !/\/assembly\//.test(file),
);

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(src, file), 'utf8');
  const found = [...text.matchAll(/(import|export)\s+(type\s+)?[^;'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)/g)];
  return found.map(([, , type, name, dynamic]) => ({
    from: file,
    to: name ?? dynamic ?? '',
    typeOnly: Boolean(type),
    lazy: !name,
  }));
});

const part = (file: string) => (file.split('/')[0] ?? '').replace(/\.ts$/, '');
const target = ({ from, to }: Import) => relative(src, resolve(src, from, '..', to));

test('there are imports to look at', () => {
  expect(files.length).toBeGreaterThan(25);
  expect(imports.length).toBeGreaterThan(80);
});

test('every part has its place in the order', () => {
  expect(files.map(part).filter((name) => level(name) < 0)).toEqual([]);
});

test('a file imports only from parts on its left', () => {
  const wrong = imports
    .filter(({ to }) => to.startsWith('.'))
    .filter((edge) => part(target(edge)) !== part(edge.from) && level(part(target(edge))) >= level(part(edge.from)))
    .map((edge) => `${edge.from} → ${target(edge)}`);
  expect(wrong).toEqual([]);
});

/** Files and packages that are loaded with a file. */
function loadedWith(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known;
  known.add(file);
  for (const edge of imports.filter(({ from, typeOnly, lazy }) => from === file && !typeOnly && !lazy))
    if (edge.to.startsWith('.')) loadedWith(target(edge), known);
    else known.add(edge.to);
  return known;
}

test('report shows what results say, in the words of kinds, scores and tokens: it imports no values of what computes', () => {
  const words =
    /^(results\/|platform\/|operations\/(recipe|registry|where|\w+\/words)\.ts$|scores\/registry\.ts$|analyses\/lens\/statistics\/|text\/tokenizer\/visible\.ts$)/;
  const wrong = imports
    .filter(({ from, to, typeOnly }) => part(from) === 'report' && to.startsWith('.') && !typeOnly)
    .map((edge) => `${edge.from} → ${target(edge)}`)
    .filter((edge) => !/ → report\//.test(edge) && !words.test(edge.split(' → ')[1] ?? ''));
  expect(wrong).toEqual([]);
});

test('kinds, which help and completion need, are loaded without what computes, and so are result files', () => {
  const computes = (file: string) => /^(linalg|graph|runtime|measure)\/|\/work\.ts$|^onnxruntime/.test(file);
  const kinds = [...loadedWith('operations/registry.ts')];
  expect(kinds.length).toBeGreaterThan(10);
  expect(kinds.filter((file) => computes(file) || file === 'zod')).toEqual([]);
  expect([...loadedWith('results/reading.ts')].filter(computes)).toEqual([]);
});

test("a kind's folder is named nowhere but in the registry: what all kinds share knows none of them", () => {
  const shared = (file: string) => /^operations\/[^/]+\.ts$/.test(file) && file !== 'operations/registry.ts';
  const folder = (file: string) => /^operations\/([^/]+)\//.exec(file)?.[1];
  const wrong = imports
    .filter(({ from, to, typeOnly }) => part(from) === 'operations' && to.startsWith('.') && !typeOnly)
    .map((edge) => ({ from: edge.from, to: target(edge) }))
    // A fit has a PCA's groups, reports and controls, and other directions; mean ablation cuts what zero ablation does.
    .filter(({ from, to }) => !['fit pca', 'mean zero'].includes(`${folder(from)} ${folder(to)}`))
    .filter(({ from, to }) => folder(to) && (shared(from) || (folder(from) && folder(from) !== folder(to))))
    .map(({ from, to }) => `${from} → ${to}`);
  // The control that does nothing belongs to every kind's sweep.
  expect(
    wrong.filter(
      (edge) => !edge.endsWith(' → operations/none/kind.ts') && !edge.endsWith(' → operations/none/spec.ts'),
    ),
  ).toEqual([]);
});

test('the native library is loaded by one file, after its telemetry is off', () => {
  const text = (file: string) => readFileSync(join(src, file), 'utf8');
  const loads = /['"`]onnxruntime-(?:node|common)['"`]/;
  expect(files.filter((file) => loads.test(text(file)))).toEqual(['platform/onnxruntime.ts']);
  const [first] = text('platform/onnxruntime.ts').match(/^(?:import|export) .*$/gm) ?? [];
  expect(first).toBe("import './telemetry.ts';");
});

test('it is used by one file of linalg, and by runtime', () => {
  const users = new Set(imports.filter((edge) => target(edge) === 'platform/onnxruntime.ts').map(({ from }) => from));
  expect([...users].filter((file) => part(file) !== 'runtime')).toEqual(['linalg/products.ts']);
});

test('only cli.ts ends the process', () => {
  expect(files.filter((file) => /process\.exit\b\(/.test(readFileSync(join(src, file), 'utf8')))).toEqual(['cli.ts']);
});

test('there are no cycles', () => {
  const edges = new Map(
    files.map((file) => [file, imports.filter((edge) => edge.from === file && edge.to.startsWith('.')).map(target)]),
  );
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    expect(path, `cycle: ${[...path, file].join(' → ')}`).not.toContain(file);
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('a test file that replaces a module by another has a process of its own', () => {
  const tests = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter(
    (file) =>
      file.endsWith('.test.ts') && /\bvi\.(do)?[mM]ock\(/.test(readFileSync(join(import.meta.dirname, file), 'utf8')),
  );
  expect(tests.sort()).toEqual(alone.toSorted());
});
