// The fourth step of tokenizer.json: special tokens before and after those of the text.
import { z } from 'zod';
import { type Makers, makeSteps } from './step.ts';

type Process = (ids: readonly number[]) => readonly number[];

const piece = z.union([
  z.object({ Sequence: z.object({ id: z.literal('A') }) }).transform(() => undefined),
  z.object({ SpecialToken: z.object({ id: z.string() }) }).transform(({ SpecialToken }) => SpecialToken.id),
]);

const around: Makers<Process>[string] = (step) => {
  const token = z.tuple([z.string(), z.int().nonnegative()]);
  const { cls, sep } = step.fields(z.object({ cls: token, sep: token }));
  return (ids) => [cls[1], ...ids, sep[1]];
};

const makers: Makers<Process> = {
  ByteLevel: () => (ids) => ids, // it trims offsets, which are not used here
  BertProcessing: around,
  RobertaProcessing: around,
  TemplateProcessing: (step) => {
    const { single, special_tokens } = step.fields(
      z.object({
        single: z.array(piece),
        special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int().nonnegative()) })),
      }),
    );
    const parts = single.map((name) => {
      if (name === undefined) return undefined;
      const ids = Object.hasOwn(special_tokens, name) ? special_tokens[name]?.ids : undefined;
      if (!ids) throw new Error(`${step.where}: special_tokens lacks "${name}"`);
      return ids;
    });
    return (ids) => parts.flatMap((part) => part ?? ids);
  },
};

/**
 * The `post_processor` of a tokenizer.json.
 * @throws Error for a step that is not supported
 */
export function makePostProcessor(part: unknown): Process {
  const steps = makeSteps(part, 'post_processor', 'processors', makers);
  return (ids) => steps.reduce((all, process) => process(all), ids);
}
