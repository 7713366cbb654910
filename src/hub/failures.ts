// Failures of requests to the Hub as one-line errors.
import { messageOf, SurgeryError } from '../platform/errors.ts';
import type { Repository } from './paths.ts';
import { patience } from './proxy.ts';

/** What a request asked for, for error messages. */
export interface Subject {
  readonly repository: Repository;
  readonly revision?: string;
  readonly file?: string;
}

/** The parts of an unsuccessful answer that an error message uses. */
export interface Refusal {
  readonly status: number;
  /** The Hub's own word for it, from X-Error-Code. */
  readonly code: string;
  readonly endpoint: string;
  readonly hasToken: boolean;
}

/** Answers after which the same request may succeed a little later. */
export const isPassing = (status: number): boolean => [429, 500, 502, 503, 504].includes(status);

/** The error for an unsuccessful answer. */
export function refusedBy({ status, code, endpoint, hasToken }: Refusal, subject: Subject): SurgeryError {
  const { repository, revision, file } = subject;
  const { kind, name } = repository;
  const page = `${endpoint}/${kind === 'dataset' ? 'datasets/' : ''}${name}`;
  const account = hasToken ? 'use the token of an account that may read it' : 'set HF_TOKEN, or HF_HOME to its folder';
  const model = (message: string) => new SurgeryError('model', message);
  if (code === 'GatedRepo') return model(`${name} is gated: accept its licence at ${page}, then ${account}`);
  if (status === 403) return model(`${endpoint} forbids reading the ${kind} ${name} (403): ${account}`);
  if (code === 'RevisionNotFound')
    return model(`${name} has no revision ${JSON.stringify(revision ?? 'main')}: see ${page}`);
  if (code === 'EntryNotFound') return model(`${name} has no file ${JSON.stringify(file)} (404): see ${page}`);
  if (status === 401 && hasToken && code !== 'RepoNotFound')
    return model(`${endpoint} refuses the token for ${name} (401): set HF_TOKEN to one that is valid`);
  if ([401, 404].includes(status) && file === undefined)
    return model(`${endpoint} has no ${kind} ${name} (${status}): check the name, or if it is private, ${account}`);
  if ([401, 404].includes(status)) return model(`${name}: ${file} cannot be read (${status}): see ${page}`);
  const passing = isPassing(status) ? ', again and again: try later, what was loaded is kept' : '';
  const what = status === 429 ? 'says there were too many requests' : 'answers with an error';
  return new SurgeryError('network', `${endpoint} ${what} (${status}) for ${file ?? name}${passing}`);
}

/** What ended a connection, in words; never an address, which may hold a password. */
export function connectionMessage(error: unknown): string {
  const chain = causesOf(error);
  const codes = chain.map((one) => (one instanceof Error && 'code' in one ? String(one.code) : ''));
  const tunnel = /Proxy response \((\d+)\)/.exec(chain.map(messageOf).join(' '))?.[1];
  if (tunnel) return `it answers ${tunnel}${tunnel === '407' ? ': it wants a user name and password' : ''}`;
  const [known] = codes.flatMap((code) => words[code] ?? []);
  if (known !== undefined) return known;
  const certificate = codes.find((code) => /CERT|SIGNATURE|ERR_TLS/.test(code));
  if (certificate)
    return `its certificate is not trusted (${certificate}): NODE_EXTRA_CA_CERTS may name your network's`;
  const unknown = codes.find(Boolean) || messageOf(chain.at(-1));
  return unknown.replace(/\S*:\/\/\S*/g, '…');
}

const words: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host name is unknown, or there is no network',
  EAI_AGAIN: 'the host name is unknown, or there is no network',
  ECONNREFUSED: 'the connection is refused',
  ENETUNREACH: 'no network leads there',
  EHOSTUNREACH: 'no network leads there',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: `no connection within ${patience.connect} s`,
  UND_ERR_HEADERS_TIMEOUT: `no answer within ${patience.answer} s`,
  UND_ERR_BODY_TIMEOUT: `nothing came for ${patience.answer} s`,
  UND_ERR_SOCKET: 'the connection was cut',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
};

/** An error and all that caused it, outermost first. */
function causesOf(error: unknown): unknown[] {
  const more =
    error instanceof AggregateError ? error.errors : error instanceof Error && error.cause ? [error.cause] : [];
  return [error, ...more.flatMap(causesOf)];
}
