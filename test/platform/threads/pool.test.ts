import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Eigen, symmetricEigen } from '../../../src/linalg/eigen/eigen.ts';
import { setProductThreads } from '../../../src/linalg/products.ts';
import { SurgeryError } from '../../../src/platform/errors.ts';
import { WorkerPool } from '../../../src/platform/threads/pool.ts';
import { symmetric } from '../../linalg/matrices.ts';

const eigen = new URL('../../../src/linalg/eigen/eigen.ts', import.meta.url);
const pool = new WorkerPool(2);
beforeAll(() => setProductThreads(1));
afterAll(() => pool.close());

test('many jobs over two threads give what one thread gives, each in its place', async () => {
  const sizes = [40, 70, 20, 90, 33];
  const results = await Promise.all(
    sizes.map((n) => pool.run<Eigen>(eigen, 'symmetricEigen', () => [symmetric(n, n), n])),
  );
  for (const [i, n] of sizes.entries()) {
    const alone = await symmetricEigen(symmetric(n, n), n);
    expect(results[i]?.values).toEqual(alone.values);
    expect(results[i]?.vectors).toEqual(alone.vectors);
  }
});

test('parameters are made when a thread is free for them', async () => {
  let made = 0;
  const jobs = Array.from({ length: 6 }, () =>
    pool.run<Eigen>(eigen, 'symmetricEigen', () => {
      made++;
      return [symmetric(30, 1), 30];
    }),
  );
  expect(made).toBe(2);
  await Promise.race(jobs);
  expect(made).toBeLessThan(6);
  await Promise.all(jobs);
  expect(made).toBe(6);
});

test('buffers are moved to the thread', async () => {
  const a = symmetric(10, 1);
  await pool.run(eigen, 'symmetricEigen', () => [a, 10]);
  expect(a).toHaveLength(0);
});

test('a SurgeryError arrives as one, and the thread works on', async () => {
  const bad = pool.run(eigen, 'symmetricEigen', () => [new Float64Array([Number.NaN]), 1]);
  await expect(bad).rejects.toBeInstanceOf(SurgeryError);
  await expect(bad).rejects.toMatchObject({ code: 'numeric', message: expect.stringContaining('(0, 0)') });
  await expect(pool.run(eigen, 'noSuchFunction', () => [])).rejects.toThrow('not a function');
  const { values } = await pool.run<Eigen>(eigen, 'symmetricEigen', () => [Float64Array.of(3), 1]);
  expect(Array.from(values)).toEqual([3]);
});

test('parameters that cannot be made reject their job alone', async () => {
  const failed = pool.run(eigen, 'symmetricEigen', () => {
    throw new Error('no such tensor');
  });
  await expect(failed).rejects.toThrow('no such tensor');
});

test('closing waits for what is under way and rejects the rest', async () => {
  const closing = new WorkerPool(1);
  const jobs = [50, 60].map((n) => closing.run(eigen, 'symmetricEigen', () => [symmetric(n, 1), n]));
  const outcomes = Promise.allSettled(jobs);
  await closing.close();
  expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  await expect(closing.run(eigen, 'symmetricEigen', () => [symmetric(3, 1), 3])).rejects.toThrow('closed');
});

test('what the system refuses a thread keeps its code and its path', async () => {
  const task = new URL('../../../src/runtime/int8/quantise.ts', import.meta.url);
  const region = { offset: 0, bytes: 8 };
  await expect(pool.run(task, 'hashRegions', () => ['/nonexistent/file', [region]])).rejects.toMatchObject({
    code: 'ENOENT',
    syscall: 'open',
    path: '/nonexistent/file',
  });
});
