// A model of the Hub → its snapshot in the cache, with what is needed to run it and to state its licence, nothing else.
import { join } from 'node:path';
import { parseConfig } from '../checkpoint/config.ts';
import { cardFile, licenceFile } from '../checkpoint/licence.ts';
import { indexFile, parseIndex, singleFile } from '../checkpoint/reader.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { unsupportedFiles } from '../checkpoint/unsupported.ts';
import { companions } from '../checkpoint/writer.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { HubClient } from './client.ts';
import { type Listing, listRepository, type RemoteFile } from './listing.ts';
import { type Pulled, type PullReporter, pullSnapshot, type Snapshot } from './snapshot.ts';

/** The model's files, from the Hub. @throws SurgeryError as {@link listRepository}, `model` for one without safetensors */
export async function listModel(client: HubClient, name: string, revision: string): Promise<Listing> {
  const listing = await listRepository(client, { kind: 'model', name }, revision);
  const files = listing.files.map(({ path }) => path);
  const hasConfig = files.includes('config.json');
  if (hasConfig && (files.includes(singleFile) || files.includes(indexFile))) return listing;
  const missing = hasConfig
    ? `no ${singleFile} and no index of shards: only safetensors are read`
    : 'no config.json: it is not a transformers model';
  throw new SurgeryError('model', `${name} at ${revision} holds ${unsupportedFiles(files) ?? missing}`);
}

/**
 * Loads config, tokenizer, model card, licence and weights. A model that this program cannot run is refused before its weights are loaded.
 * @throws SurgeryError as {@link pullSnapshot} and {@link parseConfig}
 */
export function pullModel(client: HubClient, listing: Listing, reporter: PullReporter): Promise<Pulled> {
  const { files } = listing;
  return pullSnapshot(client, listing, reporter, async (snapshot) => {
    const small = ['config.json', ...companions, cardFile, licenceFile];
    await snapshot.load(
      'config, tokenizer and licence',
      files.filter(({ path }) => small.includes(path)),
    );
    const config = 'config.json';
    parseConfig((await readText(snapshot.folder, config, maxBytes.config)) ?? '', join(snapshot.folder, config));
    await snapshot.load('weights', await weightFiles(listing, snapshot));
  });
}

/** The single file, else the shards that the index names; the index itself is loaded for that. */
async function weightFiles({ repository, files }: Listing, snapshot: Snapshot): Promise<RemoteFile[]> {
  const named = (name: string) => files.find(({ path }) => path === name);
  const single = named(singleFile);
  if (single) return [single];
  await snapshot.load(
    'index',
    files.filter(({ path }) => path === indexFile),
  );
  const index = (await readText(snapshot.folder, indexFile, maxBytes.index)) ?? '';
  const shards = new Set(parseIndex(index, join(snapshot.folder, indexFile)).values());
  return [...shards].map((shard) => {
    const file = named(shard);
    if (file) return file;
    throw new SurgeryError('model', `${repository.name}: ${indexFile} names ${shard}, which the Hub does not hold`);
  });
}
