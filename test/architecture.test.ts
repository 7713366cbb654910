// The tree's rule: a folder imports only from folders before it, and the native library has one importer.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './support/paths.ts';
import { alone } from './vitest.config.ts';

const src = join(root, 'src');
const order = [
  'errors ending allocator limits',
  'telemetry',
  'onnxruntime',
  'checkpoint linalg',
  'decompose graph',
  'runtime',
  'measure',
  'study',
  'report',
  'commands',
  'cli index',
];
const level = (part: string) => order.findIndex((parts) => parts.split(' ').includes(part));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !/^(linalg|runtime|measure)\/kernels\//.test(file),
);

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(src, file), 'utf8');
  const found = [...text.matchAll(/(import|export)\s+(type\s+)?[^;'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)/g)];
  return found.map(([, , type, name, dynamic]) => ({ from: file, to: name ?? dynamic ?? '', typeOnly: Boolean(type) }));
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

test('report reads types only', () => {
  const wrong = imports.filter(
    (edge) =>
      part(edge.from) === 'report' && edge.to.startsWith('.') && part(target(edge)) !== 'report' && !edge.typeOnly,
  );
  expect(wrong).toEqual([]);
});

test('the native library is loaded by one file, after its telemetry is off', () => {
  const text = (file: string) => readFileSync(join(src, file), 'utf8');
  const loads = /['"`]onnxruntime-(?:node|common)['"`]/;
  expect(files.filter((file) => loads.test(text(file)))).toEqual(['onnxruntime.ts']);
  const [first] = text('onnxruntime.ts').match(/^(?:import|export) .*$/gm) ?? [];
  expect(first).toBe("import './telemetry.ts';");
});

test('it is used by one file of linalg, and by runtime', () => {
  const users = new Set(imports.filter((edge) => target(edge) === 'onnxruntime.ts').map(({ from }) => from));
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
