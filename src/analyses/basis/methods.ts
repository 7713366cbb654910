// The kinds of bases there are, by name: for options, which are read before anything heavy is loaded.

export const basisMethods = ['pca', 'nmf', 'frequency', 'random', 'dictionary'] as const;
export type BasisMethod = (typeof basisMethods)[number];

/** Each method in words, printed with the results. */
export const basisRules: Readonly<Record<BasisMethod, string>> = {
  pca: 'principal components, the largest variance first',
  nmf:
    'non-negative factorisation of [M₊, M₋] by multiplicative updates, the largest part of the sum first; a component is ' +
    'its positive minus its negative half',
  frequency: "the tokens' rows, the most frequent of the text first, made orthonormal one after the other",
  random: 'random orthonormal directions',
  dictionary: 'atoms by orthogonal matching pursuit and the method of optimal directions, the most used first',
};
