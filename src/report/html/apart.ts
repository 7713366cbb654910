// What keeps results on one page from being compared: settings that differ, or may do so.
import type { Finding } from '../../analyses/results.ts';
import type { Study } from '../../results/study.ts';
import type { ScoredText } from '../../scores/likelihood.ts';
import { counted, listed } from '../format.ts';
import { modelName } from './header.ts';

/** A setting that decides whether figures can be compared. */
interface Setting {
  /** Equal where the setting is; undefined where it is not known. */
  readonly identity: string | undefined;
  readonly words: string;
}

/** Settings by what they are called; a result lacks those that it does not depend on. */
type Settings = Readonly<Record<string, Setting>>;

/** A result, and what it is called here. */
export interface Compared {
  readonly label: string;
  readonly settings: Settings;
}

export function settingsOfStudy({ model, context, text }: Pick<Study, 'model' | 'context' | 'text'>): Settings {
  return {
    'the model': { identity: model.sha256, words: modelName(model.ref) },
    'the text': textSetting(context.documents, text),
    'the scoring rule': named(text.rule),
    'the precision': named(context.precision),
    'the versions': versionsSetting(context.versions),
  };
}

export function settingsOfFinding({ result }: Finding): Settings {
  const { model, text, documentsSha256, precision, versions, seed } = result;
  return {
    'the model': { identity: model.sha256, words: modelName(model.ref) },
    // Prompts are named where they are shown.
    ...(text ? { 'the text': textSetting(documentsSha256, text), 'the seed': named(String(seed)) } : {}),
    'the precision': named(precision),
    'the versions': versionsSetting(versions),
  };
}

const named = (words: string): Setting => ({ identity: words, words });

/** @param sha256 of the token ids of the documents */
function textSetting(
  sha256: string | undefined,
  { text, documents, chunk, maxTokens }: Pick<ScoredText, 'text' | 'documents' | 'chunk' | 'maxTokens'>,
): Setting {
  const unit = chunk === 'stream' ? 'window' : 'document';
  const words = `${counted(documents, unit)} of at most ${counted(maxTokens, 'token')} of ${text}`;
  return { identity: sha256 || undefined, words };
}

/** Of what computes; results of analyses hold that of Node too. */
function versionsSetting(versions: Readonly<Record<string, string>>): Setting {
  return named(
    ['surgery', 'onnxruntime'].flatMap((name) => (versions[name] ? `${name} ${versions[name]}` : [])).join(', '),
  );
}

/**
 * What keeps the results' figures from being compared, or may do so, in sentences. Undefined if nothing does.
 * @param what "These studies"
 */
export function apartText(what: string, all: readonly Compared[]): string | undefined {
  const names = [...new Set(all.flatMap(({ settings }) => Object.keys(settings)))];
  const differences: string[] = [];
  const doubts: string[] = [];
  for (const name of names) {
    const having = all.flatMap(({ label, settings }) => (settings[name] ? [{ label, ...settings[name] }] : []));
    const known = new Set(having.flatMap(({ identity }) => identity ?? []));
    const without = having.filter(({ identity }) => identity === undefined).map(({ label }) => label);
    if (known.size > 1) differences.push(`${name} (${valuesText(having)})`);
    else if (without.length > 0)
      doubts.push(
        `Whether ${name} is the same is not known: ${without.join(', ')} ${without.length > 1 ? 'hold' : 'holds'} no hash of it.`,
      );
  }
  const found = [...(differences.length > 0 ? [`${what} differ in ${listed(differences)}.`] : []), ...doubts];
  return found.length > 0 ? found.join(' ') : undefined;
}

/** "a: 30 tokens of x.txt; b, c: 40 tokens of y.txt" */
function valuesText(having: readonly (Setting & { readonly label: string })[]): string {
  const values = new Map<string, string[]>();
  for (const { label, words } of having) values.set(words, [...(values.get(words) ?? []), label]);
  if (values.size === 1) return `${having[0]?.words}, but not the same`;
  return [...values].map(([words, labels]) => `${labels.join(', ')}: ${words}`).join('; ');
}
