// JSON files of a checkpoint: read strictly, since JSON.parse keeps the last of two equal keys without a word.
import { type ErrorCode, messageOf, SurgeryError } from './errors.ts';

/**
 * The value in a JSON text.
 * @throws Error in words that follow the file's name: "is not valid JSON: …", "names "a" twice"
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`is not valid JSON: ${messageOf(cause)}`, { cause });
  }
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined) throw new Error(`names ${JSON.stringify(duplicate)} twice`);
  return value;
}

/**
 * {@link parseJson} of the text of a file.
 * @throws SurgeryError of this code, which names the file
 */
export function parseJsonFile(text: string, code: ErrorCode, file: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new SurgeryError(code, `${file} ${messageOf(cause)}`, cause);
  }
}

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A key that occurs twice in one object of `json`, which is known to be valid JSON. JSON.parse keeps the last silently. */
export function duplicateKey(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // a set for an object, undefined for a list
  for (let at = 0; at < json.length; at++) {
    const c = json[at];
    if (c === '{') open.push(new Set());
    else if (c === '[') open.push(undefined);
    else if (c === '}' || c === ']') open.pop();
    else if (c === '"') {
      const from = at++;
      while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      let next = at + 1;
      while (' \t\r\n'.includes(json[next] ?? '.')) next++;
      if (json[next] !== ':') continue;
      const key: string = JSON.parse(json.slice(from, at + 1));
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

/**
 * A whole number in `json`, which is known to be valid JSON, that is written as 1.0 or 1e0. JSON.parse cannot
 * distinguish it from 1.
 */
export function decimalNumber(json: string): string | undefined {
  for (let at = 0; at < json.length; at++) {
    if (json[at] === '"') {
      for (at++; json[at] !== '"'; at++) if (json[at] === '\\') at++;
      continue;
    }
    let to = at;
    while ('-+.0123456789eE'.includes(json[to] ?? ' ')) to++;
    const number = json.slice(at, to);
    if (/^-?\d/.test(number) && !/^-?\d+$/.test(number) && Number.isInteger(Number(number))) return number;
    at = Math.max(at, to - 1);
  }
  return undefined;
}
