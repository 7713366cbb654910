import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { join, normalize } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { accessToken, hubCache, offlineBy, tokenFile } from '../../src/hub/paths.ts';
import { cacheFolder } from '../../src/platform/cache.ts';
import { expanded } from '../../src/platform/paths.ts';
import { fixture } from '../support/paths.ts';

interface Case {
  readonly environment: Readonly<Record<string, string>>;
  /** What huggingface_hub makes of it. */
  readonly cache: string;
  readonly tokenFile: string;
  readonly offline: boolean;
  readonly token: string | null;
  /** `expandvars(expanduser(HF_HOME))` */
  readonly expanded: string;
}

const cases: Case[] = JSON.parse(readFileSync(fixture('environment.json'), 'utf8'));
const read = [
  'HOME',
  'SURGERY_CACHE',
  'XDG_CACHE_HOME',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'HF_TOKEN_PATH',
  'HF_HUB_OFFLINE',
  'TRANSFORMERS_OFFLINE',
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'HF_HUB_DISABLE_IMPLICIT_TOKEN',
];

function inEnvironment(variables: Readonly<Record<string, string>>): void {
  for (const name of read) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

const named = cases.map((one) => [JSON.stringify(one.environment), one] as const);

test.each(named)('as huggingface_hub: %s', async (_, { environment, cache, offline, token, ...python }) => {
  inEnvironment(environment);
  expect({
    cache: normalize(hubCache()),
    tokenFile: normalize(tokenFile()),
    offline: offlineBy(undefined) !== undefined,
    token: (await accessToken()) ?? null,
    expanded: expanded(environment.HF_HOME ?? ''),
  }).toEqual({
    cache: normalize(cache),
    tokenFile: normalize(python.tokenFile),
    offline,
    token: token?.replace('Bearer ', '') ?? null,
    expanded: python.expanded,
  });
});

test.each(cases.filter(({ environment }) => environment.HF_HOME))('SURGERY_CACHE=$environment.HF_HOME', (one) => {
  const { HF_HOME = '', ...rest } = one.environment;
  inEnvironment({ ...rest, SURGERY_CACHE: HF_HOME });
  expect(cacheFolder('part')).toBe(join(one.expanded, 'part'));
});

test("the program's own cache lies next to the Hub's", () => {
  inEnvironment({ HOME: '/home/ada', XDG_CACHE_HOME: '~/x' });
  expect(cacheFolder('part')).toBe('/home/ada/x/surgery/part');
  vi.stubEnv('XDG_CACHE_HOME', undefined);
  expect(cacheFolder('part')).toBe('/home/ada/.cache/surgery/part');
});

test('an empty variable says nothing', () => {
  inEnvironment({ HOME: '/home/ada' });
  const places = () => [cacheFolder(''), hubCache(), tokenFile()];
  const unset = places();
  for (const name of read.filter((one) => one !== 'HOME')) vi.stubEnv(name, '');
  expect(places()).toEqual(unset);
});

test('~name is the home folder of that user, whatever HOME says', () => {
  vi.stubEnv('HOME', '/home/ada');
  const { username, homedir } = os.userInfo();
  expect(expanded(`~${username}/x`)).toBe(join(homedir, 'x'));
  expect(expanded('~$(echo root)/x')).toBe('~$(echo root)/x');
});

test('without HOME, home is what the system says; with none there, the variables to set are named', () => {
  inEnvironment({});
  expect(expanded('~/x')).toBe(join(os.userInfo().homedir, 'x'));
  const none = vi.spyOn(os, 'userInfo').mockImplementation(() => {
    throw new Error('ENOENT');
  });
  syncBuiltinESMExports();
  expect(() => cacheFolder('')).toThrow(
    /^this user has no home folder, and HOME is not set: set HOME, or SURGERY_CACHE/,
  );
  vi.stubEnv('SURGERY_CACHE', '/data');
  expect(cacheFolder('')).toBe('/data');
  none.mockRestore();
  syncBuiltinESMExports();
});
