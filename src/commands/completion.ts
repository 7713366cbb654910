// Shell completion scripts, made from the declared commands and options.
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { SurgeryError } from '../platform/errors.ts';
import { allowedOf } from '../platform/option-values.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** What a script needs of an option. */
interface Flag {
  readonly long: string;
  readonly description: string;
  /** Whether a value follows. If `values` is empty, the shell completes file names. */
  readonly takesValue: boolean;
  readonly values: readonly string[];
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
  const words = command.registeredArguments.find(({ argChoices }) => argChoices)?.argChoices;
  return {
    name: command.name(),
    description: command.description(),
    flags: [...command.options, command.createOption('--help', 'display help for command')].map(flagOf),
    ...(words ? { words } : {}),
  };
}

function flagOf(option: Option): Flag {
  const takesValue = option.required || option.optional;
  return { long: option.long ?? '', description: option.description, takesValue, values: allowedOf(option) };
}

/** Single-quoted for a shell, with quotes inside escaped. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function bash(entries: readonly Entry[]): string {
  const cases = entries.flatMap(({ name, flags, words }) => [
    `    ${name})`,
    '      case "$previous" in',
    ...flags
      .filter(({ values }) => values.length > 0)
      .map(({ long, values }) => `        ${long}) words=${quoted(values.join(' '))} ;;`),
    ...valuesFrom(
      flags.filter(({ takesValue, values }) => takesValue && values.length === 0),
      '        ',
    ),
    `        *) words=${quoted([...flags.map(({ long }) => long), ...(words ?? [])].join(' '))} ;;`,
    '      esac',
    '      ;;',
  ]);
  return [
    '# surgery completion for bash: source <(surgery completion bash)',
    '_surgery() {',
    '  local current="$2" previous="$3" command="$' + '{COMP_WORDS[1]}" words=""',
    '  if [ "$COMP_CWORD" -le 1 ]; then',
    `    words=${quoted([...entries.map(({ name }) => name), '--help', '--version'].join(' '))}`,
    '  else',
    '    case "$command" in',
    ...cases.map((line) => `  ${line}`),
    '    esac',
    '  fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o default -F _surgery surgery',
    '',
  ].join('\n');
}

/** Options whose values the shell completes as file names. */
function valuesFrom(flags: readonly Flag[], indent: string): string[] {
  return flags.length > 0 ? [`${indent}${flags.map(({ long }) => long).join('|')}) words='' ;;`] : [];
}

function zsh(entries: readonly Entry[]): string {
  // Colons and brackets end a part of zsh's specifications.
  const plain = (text: string) => text.replace(/[[\]:]/g, (mark) => `\\${mark}`);
  const specification = ({ long, description, takesValue, values }: Flag) => {
    const value = values.length > 0 ? `(${values.join(' ')})` : '_files';
    return quoted(`*${long}[${plain(description)}]${takesValue ? `:${plain(long.slice(2))}:${value}` : ''}`);
  };
  return [
    '#compdef surgery',
    '# surgery completion for zsh: source <(surgery completion zsh), after compinit',
    '_surgery() {',
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
      const ofFlag = ({ long, description, takesValue, values }: Flag) =>
        line([
          here,
          `-l ${long.slice(2)}`,
          `-d ${quoted(description)}`,
          ...(takesValue ? ['-r'] : []),
          ...(values.length > 0 ? [`-f -a ${quoted(values.join(' '))}`] : []),
        ]);
      return [...flags.map(ofFlag), ...(words ? [line([here, '-f', `-a ${quoted(words.join(' '))}`])] : [])];
    }),
    '',
  ].join('\n');
}
