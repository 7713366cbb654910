// Options that describe operations → recipes. Each kind's options are made from its fields.
import { type CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import type { LlamaConfig } from '../checkpoint/config.ts';
import type { Field } from '../operations/kind.ts';
import { type CompleteRecipe, completeRecipe, type Recipe } from '../operations/recipe.ts';
import { type KindName, kindNames, kindOf, kinds, type Operation } from '../operations/registry.ts';
import { SurgeryError } from '../platform/errors.ts';
import { listOf, nameOf, oneOf, repeatable, single } from '../platform/option-values.ts';
import { type OptionsOf, optionGroup, together } from './option-groups.ts';
import { calibrationOptions, dtypeOption, fileDtypeOption } from './options.ts';

/** What the options say about operations. */
export interface OperationRequest {
  readonly kind?: KindName;
  /** The given values by field. In a sweep, fields that vary hold lists. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Paths of recipe files. */
  readonly recipes: readonly string[];
}

const defaultKind: KindName = 'pca';

/** The kinds that make an operation; `none` is a control. */
export const offeredKinds = kindNames.filter((name) => name !== 'none');

export const kindHelp = `kind of operation: ${offeredKinds.join(', ')} (default: ${defaultKind})`;

interface NamedField {
  readonly key: string;
  /** The field in each kind that has it: what an option does, it does for all of them. */
  readonly kinds: readonly [KindName, ...KindName[]];
  readonly fields: readonly [Field<unknown>, ...Field<unknown>[]];
}

/** Every field that has an option, once. */
const namedFields: readonly NamedField[] = kindNames.reduce<readonly NamedField[]>((known, kind) => {
  const own = Object.entries(kinds[kind].fields as Readonly<Record<string, Field<unknown>>>).filter(
    ([, { flags }]) => flags !== undefined,
  );
  const isShared = (key: string) => known.some((one) => one.key === key);
  return [
    ...known.map((one) => {
      const field = own.find(([key]) => key === one.key)?.[1];
      return field ? { ...one, kinds: [...one.kinds, kind] as const, fields: [...one.fields, field] as const } : one;
    }),
    ...own
      .filter(([key]) => !isShared(key))
      .map(([key, field]) => ({ key, kinds: [kind] as const, fields: [field] as const })),
  ];
}, []);

/** Fields of which one operation takes only one. */
const alternatives: Readonly<Record<string, readonly string[]>> = {
  rank: ['variance', 'ratio', 'energy'],
  ratio: ['energy'],
};

/** Fields of the kind pca that decide which matrices are decomposed. */
const spectrumFields = ['mode', 'targets', 'layers', 'center', 'balance'];

/** The fields of one kind, as if there were no other. */
const fieldsOf = (kind: KindName): NamedField[] =>
  namedFields.flatMap(({ key, kinds: owners, fields }) => {
    const own = fields[owners.indexOf(kind)];
    return own ? { key, kinds: [kind] as const, fields: [own] as const } : [];
  });

export const spectrumOptions = optionGroup('Operation:', (command) => {
  for (const { key, fields } of fieldsOf(defaultKind))
    if (spectrumFields.includes(key)) command.addOption(optionOf({ key, kinds: [defaultKind], fields }, {}));
  return command;
});

/** How a command uses operations. */
interface OperationUse {
  /** Whether a field's option takes several values, if its kind lets it vary. */
  readonly takesSeveral?: (key: string) => boolean;
  /** Whether the options may be left out, so that nothing is edited. */
  readonly optional?: boolean;
  /** Whether a checkpoint is written. */
  readonly writes?: boolean;
}

function kindOption({ optional }: OperationUse) {
  return optionGroup('Operation:', (command) =>
    command.addOption(
      new Option(
        '--kind <kind>',
        `${offeredKinds.map((name) => `${name}: ${kinds[name].summary}`).join('; ')} (default: ${optional ? `no operation, or ${defaultKind} where one of its options is given` : defaultKind})`,
      ).argParser(oneOf('--kind', kindNames)),
    ),
  );
}

const recipeOptions = (use: OperationUse) =>
  together(
    kindOption(use),
    optionGroup('Operation:', (command) =>
      command.option(
        '--recipe <file>',
        'JSON file of operations to apply in order, such as the recipe.json that run writes',
        repeatable(nameOf('--recipe', 'a JSON file')),
      ),
    ),
  );

/** --kind, --recipe, --dtype, a group for the options of each kind, and the calibration text. */
export function operationOptions(use: OperationUse = {}) {
  return together(
    recipeOptions(use),
    use.writes ? fileDtypeOption : dtypeOption,
    fieldOptions(namedFields, use),
    calibrationOptions,
  );
}

/** A kind's options but for those that name what it cuts, which `--by` does: each budget takes several values. */
export const partOptions = together(
  kindOption({}),
  dtypeOption,
  fieldOptions(
    namedFields.filter(({ kinds: owners }) => owners.some((kind) => kindOf({ kind }).units === undefined)),
    { takesSeveral: (key) => kindNames.some((kind) => kindOf({ kind }).budgets?.some((budget) => budget === key)) },
  ),
  calibrationOptions,
);

function fieldOptions(fields: readonly NamedField[], use: OperationUse) {
  return optionGroup('Operation:', (command) => {
    for (const named of fields) command.addOption(optionOf(named, use));
    return command;
  });
}

type RecipeOptions = OptionsOf<ReturnType<typeof recipeOptions>>;

function optionOf({ key, kinds: owners, fields }: NamedField, { takesSeveral, optional }: OperationUse): Option {
  const [field] = fields;
  const { flags = '', parse } = field;
  const several = takesSeveral?.(key) ? field.several : undefined;
  const byDefault = defaultsText(
    owners.map((kind, i) => ({ kind, words: (several && fields[i]?.sweepDefault) ?? fields[i]?.default })),
  );
  const when = optional ? 'default in an operation' : 'default';
  const help = byDefault === undefined ? field.help : `${field.help} (${when}: ${byDefault})`;
  const option = new Option(
    several === 'commas' ? flags.replace('>', ',...>') : flags,
    several === 'repeat' ? `${help}; repeat for several cells` : help,
  ).helpGroup(`Operation, ${owners.join(', ')}:`);
  const others = alternatives[key];
  if (others && !several) option.conflicts([...others]);
  if (!flags.includes(' ')) return option;
  if (several === 'repeat') return option.argParser(repeatable(parse));
  if (several === 'commas') return option.argParser(listOf(parse));
  return option.argParser(field.several === 'commas' ? single(`--${option.name()}`, parse, 'sweep') : parse);
}

/** "q,k,v; of quantise: all" */
function defaultsText(
  all: readonly { readonly kind: KindName; readonly words: string | undefined }[],
): string | undefined {
  const [first, ...others] = all;
  const unlike = others.filter(({ words }) => words !== first?.words);
  return first?.words && [first.words, ...unlike.map(({ kind, words }) => `of ${kind}: ${words ?? 'none'}`)].join('; ');
}

/** @param kind named as an argument, as in `surgery run zero` @throws SurgeryError `usage` for two different kinds */
export function operationRequest(options: object, kind?: string): OperationRequest {
  const { kind: named, recipe: recipes = [] }: RecipeOptions = options;
  const argument = kind === undefined ? undefined : oneOf('the kind of operation', kindNames)(kind);
  if (named && argument && named !== argument)
    throw new SurgeryError('usage', `--kind ${named} and ${argument}: name one kind of operation`);
  const keys = new Set(namedFields.map(({ key }) => key));
  const fields = Object.fromEntries(
    Object.entries(options).filter(([key, value]) => keys.has(key) && value !== undefined),
  );
  const chosen = argument ?? named;
  return { ...(chosen ? { kind: chosen } : {}), fields, recipes };
}

/**
 * The operation options of a config file that give way to the command line: all of them next to a --recipe, and those of
 * other kinds next to a kind or its options.
 * @param given names of the options that the command line has
 */
export function overruledOperation(
  command: CommandUnknownOpts,
  given: ReadonlySet<string>,
): (key: string, text: string | undefined) => boolean {
  const keys = new Set(['kind', 'recipe', ...namedFields.map(({ key }) => key)]);
  if (given.has('recipe')) return (key) => keys.has(key);
  const argument = command.registeredArguments[0]?.name() === 'kind' ? command.args[0] : undefined;
  const named = argument ?? (given.has('kind') ? command.getOptionValue('kind') : undefined);
  const own = namedFields.filter(({ key }) => given.has(key));
  const chosen = kindNames.filter((kind) =>
    named === undefined ? own.every(({ kinds: owners }) => owners.includes(kind)) : kind === named,
  );
  if (named === undefined && own.length === 0) return () => false;
  const takes = (key: string) => chosen.some((kind) => Object.hasOwn(kinds[kind].fields, key));
  return (key, text) => (key === 'kind' ? !chosen.some((kind) => kind === text) : keys.has(key) && !takes(key));
}

/** Whether the options name any operation. */
export function namesOperation({ kind, fields, recipes }: OperationRequest): boolean {
  return kind !== undefined || Object.keys(fields).length > 0 || recipes.length > 0;
}

/**
 * The requested recipe with all defaults filled in for this model.
 * @throws SurgeryError `usage` for a recipe file together with options of an operation, for options of several kinds, and
 * for operations that this model does not allow
 */
export async function recipeOf(request: OperationRequest, config: LlamaConfig): Promise<CompleteRecipe> {
  const { recipes } = request;
  if (recipes.length > 1) throw new SurgeryError('usage', `--recipe ${recipes.join(', ')}: give one file`);
  const [file] = recipes;
  if (file === undefined) return completeRecipe([specOf(request)], config);
  refuseFields(request, file);
  return completeRecipe(await recipeFile(file), config);
}

/** One line for each given value that has the same effect in this model as another one: "--rank 500 does here what --rank 128 does". */
export function equivalentsOf(request: OperationRequest, config: LlamaConfig): string[] {
  if (request.recipes.length > 0 && Object.keys(request.fields).length === 0) return [];
  const kind = kindNamed(request);
  const { fields } = kinds[kind] as { readonly fields: Readonly<Record<string, Field<unknown>>> };
  const given = Object.entries(request.fields);
  const isList = ([key, value]: (typeof given)[number]) => fields[key]?.several !== undefined && Array.isArray(value);
  const fixed = Object.fromEntries(given.filter((one) => !isList(one)));
  const values = given.flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [key, one] as const),
  );
  return values.flatMap(([key, value]) => {
    if (typeof value !== 'string' && fields[key]?.several !== 'commas') return [];
    const [made] = completeRecipe([{ ...fixed, [key]: value, kind } as unknown as Operation], config);
    const done = (made as unknown as Readonly<Record<string, unknown>>)[key];
    if (done === value || Array.isArray(done)) return [];
    return `${optionName(key)} ${value} does here what ${optionName(key)} ${done} does`;
  });
}

/** The recipes of all files, each a cell of its own. */
export async function recipesOf(
  { recipes }: Pick<OperationRequest, 'recipes'>,
  config: LlamaConfig,
): Promise<CompleteRecipe[]> {
  return Promise.all(recipes.map(async (file) => completeRecipe(await recipeFile(file), config)));
}

async function recipeFile(file: string): Promise<Recipe> {
  return (await import('../operations/recipe-file.ts')).readRecipe(file);
}

/** @throws SurgeryError `usage` for options of an operation together with a recipe file */
function refuseFields({ kind, fields }: OperationRequest, file: string): void {
  const [key] = [...(kind ? ['kind'] : []), ...Object.keys(fields)];
  if (key !== undefined)
    throw new SurgeryError('usage', `--recipe ${file} already describes the operation: leave out ${optionName(key)}`);
}

/** @throws SurgeryError `usage` for an option of another kind */
export function specOf(request: OperationRequest): Operation {
  return { ...request.fields, kind: kindNamed(request) } as unknown as Operation;
}

/** @returns the named kind, or the default @throws SurgeryError `usage` for options of another kind */
export function kindNamed({ kind, fields }: OperationRequest): KindName {
  const chosen = kind ?? defaultKind;
  const keys = Object.keys(fields);
  const takes = (one: KindName, key: string) => Object.hasOwn(kinds[one].fields, key);
  const misplaced = keys.find((key) => !takes(chosen, key));
  if (misplaced === undefined) return chosen;
  const owner = namedFields.find(({ key }) => key === misplaced)?.kinds[0] ?? chosen;
  // The owner does not take it: to name that kind would only move the mistake.
  const other = keys.find((key) => takes(chosen, key) && !takes(owner, key));
  const what = `${optionName(misplaced)} is an option of the kind ${owner}, and`;
  if (kind === undefined && other !== undefined)
    throw new SurgeryError(
      'usage',
      `${what} ${optionName(other)} of the kind ${chosen}: leave one of them out; a --recipe applies operations of several kinds`,
    );
  const change = kind === undefined ? `add --kind ${owner}, or leave it out` : `leave it out, or make it ${owner}`;
  throw new SurgeryError(
    'usage',
    `${what} the kind here is ${chosen}: ${other === undefined ? change : 'leave it out'}`,
  );
}

function optionName(key: string): string {
  const named = namedFields.find((one) => one.key === key);
  return named?.fields[0].flags?.split(' ')[0] ?? `--${key}`;
}
