import { expect, test } from 'vitest';
import { type Matrix, multiply } from '../../src/linalg/products.ts';
import { gaussian, seededRandom } from '../../src/linalg/random.ts';
import { meanEigenvalue, penalties, Ridge } from '../../src/linalg/ridge.ts';
import { largestDifference } from '../support/goldens.ts';

const random = seededRandom(1);
const normal = (rows: number, cols: number): Matrix => ({ rows, cols, data: gaussian(rows * cols, random) });
const gram = (x: Matrix, y = x) => multiply(x, y, { transposeA: true });
/** XᵀY, X in the eigenbasis. */
const cross = async (ridge: Ridge, x: Matrix, y: Matrix) => gram(await ridge.turn(x), y);

const planted = normal(6, 4);
const noisy = async (x: Matrix, noise: number): Promise<Matrix> => {
  const clean = await multiply(x, planted);
  const error = gaussian(clean.data.length, random);
  return { ...clean, data: clean.data.map((value, i) => value + noise * (error[i] ?? 0)) };
};

test('without noise the smallest penalty is chosen and the planted map comes back', async () => {
  const [x, held] = [normal(50, 6), normal(20, 6)];
  const ridge = await Ridge.of(await gram(x), await gram(held));
  const lambdas = penalties(meanEigenvalue(await gram(x)));
  const fit = await ridge.fit(
    await cross(ridge, x, await noisy(x, 0)),
    await cross(ridge, held, await noisy(held, 0)),
    lambdas,
  );
  expect(fit.lambda).toBe(lambdas[0]);
  expect(largestDifference(fit.coefficients.data, planted.data)).toBeLessThan(1e-8);
});

test('coefficients solve (XᵀX + λ) W = XᵀY, and losses are those of the validation rows themselves', async () => {
  const [x, held] = [normal(12, 6), normal(30, 6)];
  const [y, truth] = [await noisy(x, 3), await noisy(held, 3)];
  const ridge = await Ridge.of(await gram(x), await gram(held));
  const lambdas = [0.01, 1, 100];
  const direct: number[] = [];
  for (const lambda of lambdas) {
    const { coefficients } = await ridge.fit(await cross(ridge, x, y), await cross(ridge, held, truth), [lambda]);
    const left = await gram(x);
    for (let i = 0; i < 6; i++) left.data[i * 7] = (left.data[i * 7] ?? 0) + lambda;
    const product = await multiply(left, coefficients);
    expect(largestDifference(product.data, (await gram(x, y)).data)).toBeLessThan(1e-9);
    const guess = await multiply(held, coefficients);
    direct.push(guess.data.reduce((sum, value, i) => sum + (value - (truth.data[i] ?? 0)) ** 2, 0));
  }
  const square = truth.data.reduce((sum, value) => sum + value ** 2, 0);
  const { losses, lambda } = await ridge.fit(await cross(ridge, x, y), await cross(ridge, held, truth), lambdas);
  expect(
    largestDifference(
      losses,
      direct.map((error) => error - square),
    ),
  ).toBeLessThan(1e-8);
  expect(lambda).toBe(lambdas[direct.indexOf(Math.min(...direct))]);
});

test('more inputs than rows are no trouble', async () => {
  const x = normal(4, 6);
  const ridge = await Ridge.of(await gram(x), await gram(x));
  const made = await cross(ridge, x, await noisy(x, 0));
  const { coefficients } = await ridge.fit(made, made, [1e-6]);
  const [fitted, wanted] = [await multiply(x, coefficients), await noisy(x, 0)];
  expect(largestDifference(fitted.data, wanted.data)).toBeLessThan(1e-4);
});
