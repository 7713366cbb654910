// Which way a request goes: straight, or through the proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name.
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { SurgeryError } from '../platform/errors.ts';
import { getOrMake } from '../platform/indexing.ts';

/** Seconds until a host has to take a connection, and between two pieces of an answer. */
export const patience = { connect: 5, answer: 30 };

const timeouts = {
  connect: { timeout: patience.connect * 1000 },
  headersTimeout: patience.answer * 1000,
  bodyTimeout: patience.answer * 1000,
};

const dispatchers = new Map<string, Dispatcher>();

/**
 * The connections that a request to this address uses.
 * @throws SurgeryError `usage` for a proxy that is not a valid address
 */
export function dispatcherFor(url: URL): Dispatcher {
  const proxy = proxyFor(url) ?? '';
  return getOrMake(dispatchers, proxy, () =>
    proxy === '' ? new Agent(timeouts) : new ProxyAgent({ uri: proxy, ...timeouts }),
  );
}

/** Address of the proxy for a URL, as the environment says; variable names may be in lower or upper case. */
export function proxyFor(url: URL): string | undefined {
  const read = (name: string) => process.env[name] || process.env[name.toUpperCase()];
  const address = read(url.protocol === 'https:' ? 'https_proxy' : 'http_proxy') || read('all_proxy');
  if (!address || isExempt(url, read('no_proxy') ?? '')) return undefined;
  const whole = address.includes('://') ? address : `http://${address}`;
  if (URL.canParse(whole) && /^https?:$/.test(new URL(whole).protocol)) return whole;
  throw new SurgeryError(
    'usage',
    `the environment's proxy for ${url.host} is not an http:// or https:// address: correct it`,
  );
}

/** A proxy as it may be shown: without the password that its address may hold. */
export function shownProxy(url: URL): string | undefined {
  const address = proxyFor(url);
  return address === undefined ? undefined : new URL(address).host;
}

/** NO_PROXY is a list of hosts, each with all that end in it; `*` is every host. */
function isExempt({ hostname, port }: URL, list: string): boolean {
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      const [, host = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry.replace(/^\*?\./, '')) ?? [];
      if (only !== undefined && only !== port) return false;
      return entry === '*' || hostname === host || hostname.endsWith(`.${host}`);
    });
}
