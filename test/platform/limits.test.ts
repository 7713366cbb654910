import { availableParallelism, totalmem } from 'node:os';
import { expect, test } from 'vitest';
import { cores, defaultThreads, type Machine, memory } from '../../src/platform/limits.ts';

const GB = 2 ** 30;
const sizes = { total: 64 * GB, free: 40 * GB };
/** 64 processors, of which the process is bound to 32. */
const machine = (files: Readonly<Record<string, string>>): Machine => ({
  ...sizes,
  processors: 64,
  parallelism: 32,
  read: (path) => files[path],
});

const own = { v2: '0::/jobs/7\n', v1: '9:name=systemd:/\n4:memory:/jobs/7\n1:cpu,cpuacct:/jobs/7\n0::/\n' };

test.each([
  ['another system', {}],
  ['no limit, version 2', { '/proc/self/cgroup': own.v2, '/sys/fs/cgroup/jobs/7/memory.max': 'max\n' }],
  ['no file at the root', { '/proc/self/cgroup': '0::/\n' }],
  [
    'no limit, version 1',
    { '/proc/self/cgroup': own.v1, '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' },
  ],
])("the machine's own memory: %s", (_, texts) => {
  expect(memory(machine(texts))).toEqual(sizes);
});

test('a limit of version 2, with what the group has in use; cached files give way', () => {
  const texts = {
    '/proc/self/cgroup': own.v2,
    '/sys/fs/cgroup/jobs/7/memory.max': `${8 * GB}\n`,
    '/sys/fs/cgroup/jobs/7/memory.high': 'max\n',
    '/sys/fs/cgroup/jobs/7/memory.current': `${7 * GB}\n`,
    '/sys/fs/cgroup/jobs/7/memory.stat': `anon ${4 * GB}\nfile ${3 * GB}\ninactive_file ${2 * GB}\nactive_file ${GB}\n`,
  };
  expect(memory(machine(texts))).toEqual({ total: 8 * GB, free: 4 * GB });
  const high = { ...texts, '/sys/fs/cgroup/jobs/7/memory.high': `${6 * GB}\n` };
  expect(memory(machine(high))).toEqual({ total: 6 * GB, free: 2 * GB });
});

test('a limit of version 1', () => {
  const texts = {
    '/proc/self/cgroup': own.v1,
    '/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes': `${8 * GB}\n`,
    '/sys/fs/cgroup/memory/jobs/7/memory.usage_in_bytes': `${7 * GB}\n`,
    '/sys/fs/cgroup/memory/jobs/7/memory.stat': `inactive_file 0\ntotal_inactive_file ${GB}\ntotal_active_file ${GB}\n`,
  };
  expect(memory(machine(texts))).toEqual({ total: 8 * GB, free: 3 * GB });
});

test('the tightest of nested groups holds, also one above that has no number at the inner', () => {
  const texts = {
    '/proc/self/cgroup': own.v2,
    '/sys/fs/cgroup/jobs/7/memory.max': 'max\n',
    '/sys/fs/cgroup/jobs/memory.max': `${4 * GB}\n`,
    '/sys/fs/cgroup/jobs/memory.current': `${5 * GB}\n`,
    '/sys/fs/cgroup/memory.max': `${16 * GB}\n`,
  };
  expect(memory(machine(texts))).toEqual({ total: 4 * GB, free: 0 });
});

test('a container that sees its own group at the root, under the path that the host has for it', () => {
  const texts = {
    '/proc/self/cgroup': '4:memory:/docker/0123abc\n1:cpu:/docker/0123abc\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${2 * GB}\n`,
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '150000\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
  };
  expect(memory(machine(texts)).total).toBe(2 * GB);
  expect(cores(machine(texts))).toBe(2);
});

test.each([
  ['max 100000\n', 32, 0],
  ['400000 100000\n', 4, 4],
  ['50000 100000\n', 1, 1],
  ['250000 100000\n', 3, 3],
  ['4800000 100000\n', 32, 32],
  ['6400000 100000\n', 32, 0],
])('cpu.max %j: %d cores, and %d threads for onnxruntime', (text, count, threads) => {
  const one = machine({ '/proc/self/cgroup': own.v2, '/sys/fs/cgroup/jobs/cpu.max': text });
  expect([cores(one), defaultThreads(one)]).toEqual([count, threads]);
});

test.each([
  ['200000\n', 2, 2],
  ['-1\n', 32, 0],
])('cpu.cfs_quota_us %j: %d cores, and %d threads for onnxruntime', (quota, count, threads) => {
  const folder = '/sys/fs/cgroup/cpu/jobs/7';
  const one = machine({
    '/proc/self/cgroup': own.v1,
    [`${folder}/cpu.cfs_quota_us`]: quota,
    [`${folder}/cpu.cfs_period_us`]: '100000\n',
  });
  expect([cores(one), defaultThreads(one)]).toEqual([count, threads]);
});

test('here', () => {
  const { total, free } = memory();
  expect(free).toBeGreaterThan(0);
  expect(total).toBeGreaterThan(free);
  expect(total).toBeLessThanOrEqual(totalmem());
  expect(cores()).toBeLessThanOrEqual(availableParallelism());
});
