// What a template gives a filter, a method or a function.
import type { Value } from './values.ts';

export type Keywords = ReadonlyMap<string, Value>;

/** Arguments by position and by name. */
export class Arguments {
  /** What they are given to, for messages. */
  readonly to: string;
  readonly positional: readonly Value[];
  readonly keywords: Keywords;

  constructor(to: string, positional: readonly Value[], keywords: Keywords = new Map()) {
    this.to = to;
    this.positional = positional;
    this.keywords = keywords;
  }

  /** One for each parameter, undefined where it is not given. @throws Error if there are others */
  of(...parameters: readonly string[]): (Value | undefined)[] {
    const { length } = this.positional;
    const unknown = [...this.keywords.keys()].find((key) => !parameters.slice(length).includes(key));
    if (unknown !== undefined) throw new Error(`it gives ${this.to} the argument ${unknown}`);
    if (length > parameters.length) throw new Error(`it gives ${this.to} ${length} arguments`);
    return parameters.map((parameter, i) => (i < length ? this.positional[i] : this.keywords.get(parameter)));
  }

  /** {@link of} for parameters that are all required and strings. @throws Error if one is not */
  texts(...parameters: readonly string[]): string[] {
    return this.of(...parameters).map((value) => {
      if (typeof value !== 'string') throw new Error(`it gives ${this.to} a value that is not text`);
      return value;
    });
  }
}
