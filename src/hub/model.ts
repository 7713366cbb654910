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

const configFile = 'config.json';

/** The model's files, from the Hub. @throws SurgeryError as {@link listRepository}, `model` for one without a config */
export async function listModel(client: HubClient, name: string, revision: string): Promise<Listing> {
  const listing = await listRepository(client, { kind: 'model', name }, revision);
  if (!holds(listing, configFile)) refuse(listing, `no ${configFile}: it is not a transformers model`);
  return listing;
}

/**
 * Loads config, tokenizer, model card, licence and weights. A model that this program cannot run is refused by its config,
 * before anything else is loaded: no other format of its weights would help.
 * @throws SurgeryError as {@link pullSnapshot} and {@link parseConfig}, `model` for one without safetensors
 */
export function pullModel(client: HubClient, listing: Listing, reporter: PullReporter): Promise<Pulled> {
  const { files } = listing;
  const load = (what: string, names: readonly string[], snapshot: Snapshot) =>
    snapshot.load(
      what,
      files.filter(({ path }) => names.includes(path)),
    );
  return pullSnapshot(client, listing, reporter, async (snapshot) => {
    await load('config', [configFile], snapshot);
    parseConfig(
      (await readText(snapshot.folder, configFile, maxBytes.config)) ?? '',
      join(snapshot.folder, configFile),
    );
    if (!holds(listing, singleFile) && !holds(listing, indexFile))
      refuse(listing, `no ${singleFile} and no index of shards: only safetensors are read`);
    await load('tokenizer and licence', [...companions, cardFile, licenceFile], snapshot);
    await snapshot.load('weights', await weightFiles(listing, snapshot));
  });
}

const holds = ({ files }: Listing, name: string) => files.some(({ path }) => path === name);

/** @param missing what the repository lacks, if it holds nothing that is better known */
function refuse({ repository, revision, files }: Listing, missing: string): never {
  const held = unsupportedFiles(files.map(({ path }) => path)) ?? missing;
  throw new SurgeryError('model', `${repository.name} at ${revision} holds ${held}`);
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
