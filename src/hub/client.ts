// Requests to the Hub: the token goes to the Hub only, redirects are followed, and transient failures are retried.
import { setTimeout } from 'node:timers/promises';
import { fetch, type Response } from 'undici';
import { SurgeryError } from '../platform/errors.ts';
import { connectionMessage, isPassing, refusedBy, type Subject } from './failures.ts';
import { accessToken } from './paths.ts';
import { dispatcherFor, shownProxy } from './proxy.ts';

/** Waits some seconds. */
export type Wait = (seconds: number) => Promise<unknown>;

/** Seconds to wait before each further try. */
export const pauses = [1, 2, 4, 8, 16];

/** The longest wait that the Hub may ask for, in seconds. */
const longestPause = 60;

const mostRedirects = 8;

/** Pages of a list, and bytes of a page: a list without an end would fill the memory. */
const mostAnswers = 1000;
const mostBytes = 1 << 26;

/** No connection, or one that was lost. */
class Unreachable extends SurgeryError {
  constructor(url: URL, cause: unknown) {
    const proxy = shownProxy(url);
    const through = proxy === undefined ? '' : ` through the proxy ${proxy}`;
    super('network', `${url.origin} cannot be reached${through}: ${connectionMessage(cause)}`, cause);
  }
}

export class HubClient {
  /** Address of the Hub, without a slash at its end. */
  readonly endpoint: string;
  readonly wait: Wait;
  readonly #token: string | undefined;
  /** Whether it was reached once: only then may a lost connection come back. */
  #reached = false;

  private constructor(endpoint: string, token: string | undefined, wait: Wait) {
    this.endpoint = endpoint;
    this.#token = token;
    this.wait = wait;
  }

  /**
   * The Hub that HF_ENDPOINT, HF_TOKEN and HF_HOME name.
   * @throws SurgeryError `usage` for an invalid setting
   */
  static async open(wait: Wait = (seconds) => setTimeout(seconds * 1000)): Promise<HubClient> {
    const given = process.env.HF_ENDPOINT || 'https://huggingface.co';
    const url = URL.canParse(given) ? new URL(given) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash)
      throw new SurgeryError(
        'usage',
        'HF_ENDPOINT is not a plain http:// or https:// address: correct it, or unset it',
      );
    return new HubClient(url.href.replace(/\/+$/, ''), await accessToken(), wait);
  }

  /**
   * The answer to a GET: its headers and its body as it comes. Statuses 200, 206 and 416 (no such range) are answers.
   * Transient failures are retried: 429, 5xx, a lost connection to a host that was reached before.
   * @throws SurgeryError `model` for what is not there or may not be read, `network` for all else
   */
  async get(address: string, subject: Subject, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    for (const pause of [...pauses, undefined]) {
      const answer = await this.#follow(new URL(address), headers).catch((error: unknown) => {
        if (!(error instanceof Unreachable) || pause === undefined || !this.#reached) throw error;
      });
      if (answer?.ok || answer?.status === 416) return answer;
      if (answer) await this.#judge(answer, subject, pause);
      await this.wait(Math.max(pause ?? 0, Number(answer?.headers.get('retry-after')) || 0));
    }
    throw new Error('the last try neither gave an answer nor failed');
  }

  /** A `fetch` for @huggingface/hub, which then never sees a failure: answers are whole, and right by their status. */
  fetchAbout(subject: Subject): typeof globalThis.fetch {
    let answers = 0;
    const whole = async (input: unknown) => {
      if (answers++ === mostAnswers) throw endless();
      for (const pause of [...pauses, undefined]) {
        const answer = await this.get(String(input), subject, { accept: 'application/json' });
        try {
          return new globalThis.Response(await boundedText(answer), { headers: [...answer.headers] });
        } catch (error) {
          if (error instanceof SurgeryError) throw error;
          if (pause === undefined) throw new Unreachable(new URL(String(input)), error);
          await this.wait(pause);
        }
      }
      throw new Error('the last try neither gave an answer nor failed');
    };
    return whole;
  }

  /** @throws SurgeryError for an answer that no further try will mend */
  async #judge({ status, headers, body }: Response, subject: Subject, pause: number | undefined): Promise<void> {
    await body?.cancel();
    const asked = Number(headers.get('retry-after')) || 0;
    const code = headers.get('x-error-code') ?? '';
    const refusal = { status, code, endpoint: this.endpoint, hasToken: this.#token !== undefined };
    if (!isPassing(status) || pause === undefined) throw refusedBy(refusal, subject);
    if (asked > longestPause)
      throw new SurgeryError('network', `${this.endpoint} asks to wait ${asked} s (${status}): try again then`);
  }

  /** Redirects are followed by hand: the token is for the Hub alone, not for the storage that it sends us to. */
  async #follow(start: URL, headers: Readonly<Record<string, string>>): Promise<Response> {
    let url = start;
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const isHub = url.origin === new URL(this.endpoint).origin;
      const answer = await fetch(url, {
        redirect: 'manual',
        dispatcher: dispatcherFor(url),
        headers: {
          'user-agent': 'surgery',
          ...headers,
          ...(isHub && this.#token ? { authorization: `Bearer ${this.#token}` } : {}),
        },
      }).catch((error: unknown) => {
        throw new Unreachable(url, error);
      });
      this.#reached = true;
      const location = answer.headers.get('location');
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) return answer;
      await answer.body?.cancel();
      url = redirected(url, location);
    }
    throw new SurgeryError(
      'network',
      `${this.endpoint} redirects more than ${mostRedirects} times: nothing was loaded`,
    );
  }
}

function endless(): SurgeryError {
  return new SurgeryError('network', 'the Hub gives a list of files without an end: nothing was loaded');
}

async function boundedText({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body ?? []) {
    parts.push(part);
    length += part.byteLength;
    if (length > mostBytes) throw endless();
  }
  return Buffer.concat(parts).toString('utf8');
}

/** @throws SurgeryError `network` for an address that is not the web's, or that gives encryption up */
export function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const isSafe = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:');
  if (to && isSafe) return to;
  throw new SurgeryError('network', `${from.origin} redirects to an address that is not safe: nothing was loaded`);
}
