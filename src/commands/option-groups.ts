// Groups of options: each is declared once, under its heading in --help, and the types of its values follow from that.
import { Command, type CommandUnknownOpts, type OptionValues } from '@commander-js/extra-typings';

/** Adds the options of a group to a command, whose type then includes them. */
export type OptionGroup<Added extends OptionValues> = <
  Arguments extends unknown[],
  Known extends OptionValues,
  Global extends OptionValues,
>(
  command: Command<Arguments, Known, Global>,
) => Command<Arguments, Known & Added, Global>;

/** The parsed values of a group's options, by their names in camel case. */
export type OptionsOf<Group> = { readonly [Name in keyof AddedBy<Group>]: Value<AddedBy<Group>[Name]> };

/** A flag's type is `true`, because a command line cannot set false; a program can. */
type Value<Parsed> = Parsed extends true ? boolean : Parsed;

/**
 * @param heading of the group in --help; an option that names a heading of its own keeps it
 * @param declare adds the options to an empty command
 * @param onUse called with every command that takes the group
 */
export function optionGroup<Added extends OptionValues>(
  heading: string,
  declare: (empty: Command) => Command<[], Added>,
  onUse?: (command: CommandUnknownOpts) => void,
): OptionGroup<Added> {
  return <Arguments extends unknown[], Known extends OptionValues, Global extends OptionValues>(
    command: Command<Arguments, Known, Global>,
  ) => {
    for (const option of declare(new Command()).options)
      command.addOption(option.helpGroupHeading ? option : option.helpGroup(heading));
    onUse?.(command as unknown as CommandUnknownOpts);
    return command as unknown as Command<Arguments, Known & Added, Global>;
  };
}

type AddedBy<Group> = Group extends OptionGroup<infer Added> ? Added : never;
type AddedByAll<Groups> = Groups extends readonly [infer First, ...infer Rest]
  ? AddedBy<First> & AddedByAll<Rest>
  : unknown;
/** An {@link OptionGroup} of all their options. A type of its own, as an index signature here would allow any name. */
type Together<Groups> = AddedByAll<Groups> extends infer Added extends OptionValues ? OptionGroup<Added> : never;

/** The options of several groups, in the order in which --help lists them. */
export function together<const Groups extends readonly OptionGroup<never>[]>(...groups: Groups): Together<Groups> {
  const addAll = <Arguments extends unknown[], Known extends OptionValues, Global extends OptionValues>(
    command: Command<Arguments, Known, Global>,
  ) => {
    for (const group of groups) group(command);
    return command;
  };
  return addAll as unknown as Together<Groups>;
}
