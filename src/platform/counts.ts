// Whole numbers in sentences.

export const integer = (value: number) => value.toLocaleString('en-US');

/** "1 document", "2 documents". */
export function counted(count: number, noun: string): string {
  return `${integer(count)} ${noun}${count === 1 ? '' : 's'}`;
}
