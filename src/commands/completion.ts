// Shell completion scripts, made from the declared commands and options.
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { SurgeryError } from '../platform/errors.ts';
import { allowedOf, isList, takesFiles } from '../platform/option-values.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** An option, as a completion script needs it. */
interface Flag {
  readonly long: string;
  readonly description: string;
  /** Whether a value follows. */
  readonly takesValue: boolean;
  readonly values: readonly string[];
  /** Whether the shell completes file names, besides the values if there are any. */
  readonly files: boolean;
  /** Whether values are joined by commas. */
  readonly list: boolean;
}

interface Entry {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly Flag[];
  /** Allowed positional arguments; undefined if they are file names. */
  readonly words?: readonly string[];
}

/**
 * A script that completes commands, options and the words that options allow.
 * @throws SurgeryError `usage` for another shell
 */
export function completionScript(shell: string, program: CommandUnknownOpts): string {
  const entries = program.commands.map(entryOf);
  if (shell === 'bash') return bash(entries);
  if (shell === 'zsh') return zsh(entries);
  if (shell === 'fish') return fish(entries);
  throw new SurgeryError('usage', `completions for ${JSON.stringify(shell)}, allowed: ${shells.join(', ')}`);
}

function entryOf(command: CommandUnknownOpts): Entry {
  const words = command.registeredArguments.flatMap((argument) => allowedOf(argument));
  return {
    name: command.name(),
    description: command.description(),
    flags: [...command.options, command.createOption('--help', 'display help for command')].map(flagOf),
    ...(words.length > 0 ? { words } : {}),
  };
}

function flagOf(option: Option): Flag {
  const takesValue = option.required || option.optional;
  const values = allowedOf(option);
  return {
    long: `--${option.name()}`,
    description: option.description,
    takesValue,
    values,
    files: takesValue && (values.length === 0 || takesFiles(option)),
    list: isList(option),
  };
}

/** Single-quoted for a shell, with quotes inside escaped. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function bash(entries: readonly Entry[]): string {
  const settings = ({ values, files, list }: Flag) =>
    [`words=${quoted(values.join(' '))}`, ...(files ? ['files=1'] : []), ...(list ? ['list=1'] : [])].join(' ');
  const cases = entries.flatMap(({ name, flags, words }) => [
    `      ${name})`,
    '        case "$previous" in',
    ...[...byValue(flags, settings)].map(([setting, names]) => `          ${names.join('|')}) ${setting} ;;`),
    `          *) words=${quoted([...flags.map(({ long }) => long), ...(words ?? [])].join(' '))}${words ? '' : ' files=1'} ;;`,
    '        esac',
    '        ;;',
  ]);
  return [
    '# surgery completion for bash: source <(surgery completion bash)',
    '_surgery() {',
    '  local current="$2" previous="$3" command="$' +
      '{COMP_WORDS[1]}" at="$COMP_CWORD" words="" files="" list="" before=""',
    '  if [ "$1" = npx ]; then',
    '    [ "$command" = surgery ] || return',
    '    command="$' + '{COMP_WORDS[2]}" at=$((at - 1))',
    '  fi',
    '  if [ "$at" -le 1 ]; then',
    `    words=${quoted([...entries.map(({ name }) => name), '--help', '--version'].join(' '))}`,
    '  else',
    '    case "$command" in',
    ...cases,
    '    esac',
    '  fi',
    '  if [ -n "$list" ] && [[ "$current" == *,* ]]; then before="$' + '{current%,*},"; fi',
    '  mapfile -t COMPREPLY < <(compgen -P "$before" -W "$words" -- "$' + '{current#"$before"}")',
    '  if [ -n "$files" ] && [ "$' + '{current#-}" = "$current" ]; then',
    '    compopt -o filenames 2>/dev/null',
    '    mapfile -t -O "$' + '{#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")',
    '  fi',
    '}',
    'complete -F _surgery surgery',
    "# npx has no completion of its own: another's is left as it is.",
    'complete -p npx >/dev/null 2>&1 || complete -o default -F _surgery npx',
    '',
  ].join('\n');
}

/** Options with a value, by what a script has to set for it. */
function byValue(flags: readonly Flag[], settings: (flag: Flag) => string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const flag of flags.filter(({ takesValue }) => takesValue))
    groups.set(settings(flag), [...(groups.get(settings(flag)) ?? []), flag.long]);
  return groups;
}

function zsh(entries: readonly Entry[]): string {
  // Colons and brackets end a part of zsh's specifications.
  const plain = (text: string) => text.replace(/[[\]:]/g, (mark) => `\\${mark}`);
  const specification = ({ long, description, takesValue, values, files, list }: Flag) => {
    const words = `(${values.join(' ')})`;
    const several = ` _values -s , ${long.slice(2)} ${values.join(' ')}`;
    const both = `_alternative "words\\:word\\:${words}" "files\\:file\\:_files"`;
    const value = values.length === 0 ? '_files' : files ? `{${both}}` : list ? several : words;
    return quoted(`*${long}[${plain(description)}]${takesValue ? `:${plain(long.slice(2))}:${value}` : ''}`);
  };
  return [
    '#compdef surgery',
    '# surgery completion for zsh: source <(surgery completion zsh), after compinit',
    '_surgery() {',
    '  if [[ "$service" == npx ]]; then',
    '    [[ "$words[2]" == surgery ]] || { _default; return }',
    '    shift words',
    '    (( CURRENT-- ))',
    '  fi',
    '  if (( CURRENT == 2 )); then',
    '    local -a commands=(',
    ...entries.map(({ name, description }) => `      ${quoted(`${name}:${plain(description)}`)}`),
    '    )',
    '    _describe command commands',
    '    return',
    '  fi',
    '  local command="$words[2]"',
    '  shift words',
    '  (( CURRENT-- ))',
    '  case "$command" in',
    ...entries.flatMap(({ name, flags, words }) => [
      `    ${name})`,
      '      _arguments \\',
      ...flags.map((flag) => `        ${specification(flag)} \\`),
      `        ${quoted(words ? `*:word:(${words.join(' ')})` : '*:file:_files')}`,
      '      ;;',
    ]),
    '  esac',
    '}',
    'compdef _surgery surgery',
    "# npx has no completion of its own: another's is left as it is.",
    '(( $+_comps[npx] )) || compdef _surgery npx',
    '',
  ].join('\n');
}

function fish(entries: readonly Entry[]): string {
  const line = (parts: readonly string[]) => ['complete -c surgery', ...parts].join(' ');
  return [
    '# surgery completion for fish: surgery completion fish | source',
    ...entries.map(({ name, description }) =>
      line(['-n __fish_use_subcommand', '-f', `-a ${name}`, `-d ${quoted(description)}`]),
    ),
    ...entries.flatMap(({ name, flags, words }) => {
      const here = `-n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
      const ofFlag = ({ long, description, takesValue, values, files, list }: Flag) =>
        line([
          here,
          `-l ${long.slice(2)}`,
          `-d ${quoted(description)}`,
          ...(takesValue ? ['-r'] : []),
          ...(files ? [] : ['-f']),
          ...(values.length > 0
            ? [`-a ${quoted(list ? `(__fish_append , ${values.join(' ')})` : values.join(' '))}`]
            : []),
        ]);
      return [...flags.map(ofFlag), ...(words ? [line([here, '-f', `-a ${quoted(words.join(' '))}`])] : [])];
    }),
    '# The same behind npx.',
    `complete -c npx -n '__fish_seen_subcommand_from surgery' -f -a ${quoted('(complete -C (commandline -cp | string replace -r "^\\s*npx\\s+" ""))')}`,
    '',
  ].join('\n');
}
