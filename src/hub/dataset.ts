// `hub:org/dataset[@revision][/config[/split]]` → Parquet files in the cache.
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { SurgeryError } from '../platform/errors.ts';
import { getOrMake } from '../platform/indexing.ts';
import type { HubClient } from './client.ts';
import { listRepository } from './listing.ts';
import { cachedSnapshot, hubCache, inside, offlineBy, type Repository, repositoryName } from './paths.ts';
import type { PullReporter } from './snapshot.ts';

/** A parsed `--text hub:…`. */
export interface DatasetReference {
  readonly repository: Repository;
  /** A branch, a tag or a commit. Default: the dataset's own files, or else the Hub's conversion of them. */
  readonly revision?: string | undefined;
  readonly config?: string | undefined;
  readonly split?: string | undefined;
}

/** Parquet files that are one split of one configuration. */
export interface SplitFiles {
  readonly config: string;
  readonly split: string;
  /** Paths in the repository, sorted by the numbers in their names. */
  readonly paths: readonly string[];
}

/** The files of a split, and its full name. */
export interface DatasetFiles {
  /** `hub:org/dataset/config/split` */
  readonly name: string;
  /** The same with the commit that the files are of: `hub:org/dataset@commit/config/split` */
  readonly pinned: string;
  readonly files: readonly string[];
}

/** A dataset's own files, then those that the Hub has made of any other format. */
const ownThenConverted = ['main', 'refs/convert/parquet'];
const revisionsOf = ({ revision }: DatasetReference) => (revision === undefined ? ownThenConverted : [revision]);

/** If no split is named, the first of these that exists is used. */
const preferred = ['test', 'validation', 'train'];

/** @throws SurgeryError `text` for anything else */
export function parseDatasetReference(text: string): DatasetReference {
  const [org = '', named = '', config, split, ...more] = text.replace(/^hub:/, '').split('/');
  const [name = '', revision, ...others] = named.split('@');
  const isName = (part: string | undefined) => part === undefined || /^(?!.*\.\.)\w[\w.-]*$/.test(part);
  const repository = { kind: 'dataset', name: `${org}/${name}` } as const;
  const isValid =
    repositoryName.test(repository.name) &&
    [revision, config, split].every(isName) &&
    [...more, ...others].length === 0;
  if (text.startsWith('hub:') && isValid) return { repository, revision, config, split };
  throw new SurgeryError(
    'text',
    `--text ${JSON.stringify(text)}: a dataset is hub:org/dataset[@revision][/config[/split]]`,
  );
}

/**
 * The files of a dataset's split, pulled if the cache does not hold them. A reference that names its split is read from
 * the cache without asking the Hub.
 * @throws SurgeryError `text` for a configuration or split that there is not, else as a pull of a model does
 */
export async function resolveDataset(
  reference: DatasetReference,
  offline: boolean | undefined,
  reporter: PullReporter,
): Promise<DatasetFiles> {
  const { repository, split } = reference;
  const off = offlineBy(offline);
  if (off !== undefined || split !== undefined) {
    const cached = await cachedSplit(reference);
    if (cached) return cached;
  }
  if (off === undefined) {
    const { HubClient } = await import('./client.ts');
    return pullSplit(await HubClient.open(), reference, reporter);
  }
  throw new SurgeryError(
    'text',
    `${shown(reference)} is not whole in the Hugging Face cache (${hubCache()}), and ${off} keeps the network off: ` +
      `name a split that is there, or a file, or allow the network for ${repository.name}`,
  );
}

async function pullSplit(
  client: HubClient,
  reference: DatasetReference,
  reporter: PullReporter,
): Promise<DatasetFiles> {
  const { pullSnapshot } = await import('./snapshot.ts');
  const seen: SplitFiles[] = [];
  const revisions = revisionsOf(reference);
  for (const revision of revisions) {
    const listing = await listRepository(client, reference.repository, revision).catch((error: unknown) => {
      if (revision === revisions[0] || !/has no revision/.test(String(error))) throw error;
    });
    if (!listing) continue;
    const splits = splitsOf(listing.files.map(({ path }) => path));
    seen.push(...splits);
    const chosen = chooseSplit(splits, reference);
    if (!chosen) continue;
    const files = listing.files.filter(({ path }) => chosen.paths.includes(path));
    const { folder } = await pullSnapshot(client, listing, reporter, (snapshot) =>
      snapshot.load(`${chosen.config}/${chosen.split}`, files),
    );
    return located(reference, chosen, folder);
  }
  throw refusal(reference, seen);
}

async function cachedSplit(reference: DatasetReference): Promise<DatasetFiles | undefined> {
  for (const revision of revisionsOf(reference)) {
    const folder = await cachedSnapshot(reference.repository, revision);
    if (!folder) continue;
    const all = await readdir(folder, { recursive: true });
    const chosen = chooseSplit(splitsOf(all), reference);
    if (chosen && isWhole(chosen)) return located(reference, chosen, folder);
  }
  return undefined;
}

/** Whether all the files are present that their names count: `…-00000-of-00003.parquet`. */
function isWhole({ paths }: SplitFiles): boolean {
  const counts = paths.flatMap((path) => /-of-(\d+)/.exec(path)?.[1] ?? []);
  return counts.every((count) => Number(count) === paths.length);
}

/** @param folder of the snapshot, which is called by its commit */
function located({ repository }: DatasetReference, { config, split, paths }: SplitFiles, folder: string): DatasetFiles {
  return {
    name: shown({ repository, config, split }),
    pinned: shown({ repository, revision: basename(folder), config, split }),
    files: paths.map((path) => inside(folder, path)),
  };
}

/**
 * Parquet files by configuration and split, as Hugging Face's `datasets` lays them out: `config/split-00000-of-00002.parquet`,
 * `config/split.parquet`, `config/split/0000.parquet`; a folder `data` or none is the configuration `default`.
 */
export function splitsOf(paths: readonly string[]): SplitFiles[] {
  const found = new Map<string, SplitFiles & { readonly paths: string[] }>();
  for (const path of [...paths].sort()) {
    if (!path.endsWith('.parquet')) continue;
    const parts = path.slice(0, -'.parquet'.length).split('/');
    const last = parts.pop() as string;
    const isNumber = /^\d+$/.test(last);
    const split = isNumber ? (parts.pop() ?? '') : last.replace(/-\d{5}-of-\d{5}.*$/, '');
    const config = parts.filter((part, i) => !(i === 0 && part === 'data')).join('/') || 'default';
    getOrMake(found, `${config}/${split}`, () => ({ config, split, paths: [] })).paths.push(path);
  }
  return [...found.values()];
}

/** The one split that a reference means; undefined if there is none, or several configurations to choose from. */
function chooseSplit(splits: readonly SplitFiles[], { config, split }: DatasetReference): SplitFiles | undefined {
  const configs = [...new Set(splits.map((one) => one.config))];
  const meant = config ?? (configs.includes('default') || configs.length > 1 ? 'default' : configs[0]);
  const own = splits.filter((one) => one.config === meant);
  const wanted = split === undefined ? preferred : [split];
  return wanted.flatMap((name) => own.find((one) => one.split === name) ?? [])[0] ?? (split ? undefined : own[0]);
}

function refusal(reference: DatasetReference, splits: readonly SplitFiles[]): SurgeryError {
  const there = splits.slice(0, 20).map(({ config, split }) => `${config}/${split}`);
  const list = `${[...new Set(there)].join(', ')}${splits.length > 20 ? ', …' : ''}`;
  const what = splits.length === 0 ? 'holds no Parquet files' : `holds no such split, only ${list}`;
  return new SurgeryError('text', `${shown(reference)}: the dataset ${reference.repository.name} ${what}`);
}

function shown({ repository: { name }, revision, config, split }: DatasetReference): string {
  const at = revision === undefined ? name : `${name}@${revision}`;
  return `hub:${[at, config, split].filter((part) => part !== undefined).join('/')}`;
}
