// What the options say about operations → recipes. The options of each kind are made from its fields.
import { type Command, Option } from 'commander';
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Field } from '../operations/kind.ts';
import { type CompleteRecipe, completeRecipe, type Recipe } from '../operations/recipe.ts';
import { type KindName, kindNames, kinds, type Operation } from '../operations/registry.ts';
import { SurgeryError } from '../platform/errors.ts';
import { listOf, oneOf, repeatable } from '../platform/option-values.ts';

/** What the command line says about operations, as {@link operationRequest} finds it among all options. */
export interface OperationRequest {
  readonly kind?: KindName;
  /** By field: the values that were given. Of a sweep's varied fields: lists of them. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Recipe files. */
  readonly recipes: readonly string[];
}

/** The kind that is meant where none is named. */
const defaultKind: KindName = 'pca';

interface NamedField {
  readonly kind: KindName;
  readonly key: string;
  readonly field: Field<unknown>;
}

/** Each field that has an option, with the kind it belongs to. */
function namedFields(): NamedField[] {
  return kindNames.flatMap((kind) =>
    Object.entries(kinds[kind].fields as Readonly<Record<string, Field<unknown>>>)
      .filter(([, { flags }]) => flags !== undefined)
      .map(([key, field]) => ({ kind, key, field })),
  );
}

const kindHelp = () => kindNames.filter((name) => name !== 'none').map((name) => `${name}: ${kinds[name].summary}`);

/** Parameters of the kind pca that change what is decomposed. */
const spectrumFields = ['mode', 'targets', 'layers', 'center', 'balance'];

export function spectrumOptions(command: Command): Command {
  for (const { kind, key, field } of namedFields())
    if (kind === 'pca' && spectrumFields.includes(key)) command.addOption(optionOf(kind, field, false));
  return command;
}

/**
 * --kind, --recipe, and the options of every kind, a help group each.
 * @param takesSeveral whether a field's option takes several values, where its kind lets it vary
 */
export function recipeOptions(command: Command, takesSeveral = (_key: string) => false): Command {
  command.addOption(
    new Option('--kind <kind>', `kind of operation (default: ${defaultKind}). ${kindHelp().join('; ')}`)
      .argParser(oneOf('--kind', kindNames))
      .helpGroup('Operation:'),
  );
  command.addOption(
    new Option('--recipe <file>', 'operations to apply in order, from a JSON file that run has written or you have')
      .argParser(repeatable((text) => text))
      .helpGroup('Operation:'),
  );
  for (const { kind, key, field } of namedFields()) command.addOption(optionOf(kind, field, takesSeveral(key)));
  return command;
}

function optionOf(kind: KindName, field: Field<unknown>, takesSeveral: boolean): Option {
  const { flags = '', help, parse } = field;
  const several = takesSeveral ? field.several : undefined;
  const group = `Operation, ${kind}:`;
  if (!flags.includes(' ')) return new Option(flags, help).helpGroup(group);
  const option = new Option(
    several === 'commas' ? flags.replace('>', ',...>') : flags,
    several === 'repeat' ? `${help}; repeat it for several cells` : help,
  ).helpGroup(group);
  if (several === 'repeat') return option.argParser(repeatable(parse));
  return option.argParser(several === 'commas' ? listOf(parse) : parse);
}

/** What all options say about operations. @param kind as named without --kind, as in `surgery run zero` */
export function operationRequest(options: object, kind?: string): OperationRequest {
  const all = options as Readonly<Record<string, unknown>>;
  const named = all.kind as KindName | undefined;
  const word = kind === undefined ? undefined : oneOf('the kind of operation', kindNames)(kind);
  if (named && word && named !== word)
    throw new SurgeryError('usage', `--kind ${named} and ${word}: name one kind of operation`);
  const keys = new Set(namedFields().map(({ key }) => key));
  const fields = Object.fromEntries(Object.entries(all).filter(([key, value]) => keys.has(key) && value !== undefined));
  const chosen = word ?? named;
  return { ...(chosen ? { kind: chosen } : {}), fields, recipes: (all.recipe as string[] | undefined) ?? [] };
}

/** Whether an operation is asked for at all. */
export function isAsked({ kind, fields, recipes }: OperationRequest): boolean {
  return kind !== undefined || Object.keys(fields).length > 0 || recipes.length > 0;
}

/**
 * The recipe that is asked for, on this model.
 * @throws SurgeryError `usage` for a recipe next to options of an operation, for options of several kinds, and for what
 * the model cannot do
 */
export async function recipeOf(request: OperationRequest, config: LlamaConfig): Promise<CompleteRecipe> {
  const { recipes } = request;
  if (recipes.length > 1) throw new SurgeryError('usage', `--recipe ${recipes.join(', ')}: give one file`);
  const [file] = recipes;
  if (file === undefined) return completeRecipe([specOf(request)], config);
  refuseFields(request, file);
  return completeRecipe(await recipeFile(file), config);
}

/** The recipes of the files that are named, each a cell of its own. */
export async function recipesOf(
  { recipes }: Pick<OperationRequest, 'recipes'>,
  config: LlamaConfig,
): Promise<CompleteRecipe[]> {
  return Promise.all(recipes.map(async (file) => completeRecipe(await recipeFile(file), config)));
}

async function recipeFile(file: string): Promise<Recipe> {
  return (await import('../operations/recipe-file.ts')).readRecipe(file);
}

/** @throws SurgeryError `usage` for options of an operation next to a recipe, which says all of it */
function refuseFields({ kind, fields }: OperationRequest, file: string): void {
  const [key] = [...(kind ? ['kind'] : []), ...Object.keys(fields)];
  if (key !== undefined)
    throw new SurgeryError('usage', `--recipe ${file} says the whole operation: leave out ${optionName(key)}`);
}

/** The operation that the options of its kind make. @throws SurgeryError `usage` for an option of another kind */
function specOf(request: OperationRequest): Operation {
  return { ...request.fields, kind: kindNamed(request) } as unknown as Operation;
}

/** The kind that is named, or the one that all its options belong to. @throws SurgeryError `usage` for another kind's */
export function kindNamed({ kind, fields }: OperationRequest): KindName {
  const chosen = kind ?? defaultKind;
  const stranger = Object.keys(fields).find((key) => !Object.hasOwn(kinds[chosen].fields, key));
  if (stranger === undefined) return chosen;
  const owner = namedFields().find(({ key }) => key === stranger)?.kind;
  throw new SurgeryError(
    'usage',
    `${optionName(stranger)} belongs to the kind ${owner}, this is ${chosen}: name it, as in surgery run ${owner} ${optionName(stranger)} …`,
  );
}

function optionName(key: string): string {
  const named = namedFields()
    .find((one) => one.key === key)
    ?.field.flags?.split(' ')[0];
  return named ?? `--${key}`;
}
