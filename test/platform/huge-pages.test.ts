import { describe, expect, test, vi } from 'vitest';
import { type Restartable, restartForLargeModels } from '../../src/platform/huge-pages.ts';
import { cli, start, surgery } from '../support/cli.ts';
import { needs } from '../support/needs.ts';

const program = (changes: Partial<Restartable> = {}) => ({
  platform: 'linux',
  env: { HOME: '/home/ada' },
  execPath: '/usr/bin/node',
  execArgv: ['--trace-warnings'],
  argv: ['/usr/bin/node', '/opt/surgery/dist/cli.js', 'run', '--variance', '0.3'],
  execve: vi.fn<NonNullable<Restartable['execve']>>(),
  ...changes,
});

test('the same command line starts again with large pages', () => {
  const process = program();
  restartForLargeModels(process);
  expect(process.execve).toHaveBeenCalledExactlyOnceWith(
    '/usr/bin/node',
    ['/usr/bin/node', '--trace-warnings', '/opt/surgery/dist/cli.js', 'run', '--variance', '0.3'],
    { HOME: '/home/ada', GLIBC_TUNABLES: expect.stringContaining('glibc.malloc.hugetlb=1') },
  );
});

test.each<[string, Partial<Restartable>]>([
  ['another system', { platform: 'darwin' }],
  ['settings of the user, empty ones too', { env: { GLIBC_TUNABLES: '' } }],
  ['a channel to the parent', { connected: true }],
  ['an open file', { argv: ['/usr/bin/node', 'cli.js', 'eval', '--text', '/proc/self/fd/11'] }],
  ['an open file after =', { argv: ['/usr/bin/node', 'cli.js', 'eval', '--text=/dev/fd/3'] }],
])('no second start: %s', (_, changes) => {
  const process = program(changes);
  restartForLargeModels(process);
  expect(process.execve).not.toHaveBeenCalled();
});

test('a Node without execve and one that forbids it go on', () => {
  const { execve: _, ...older } = program();
  restartForLargeModels(older);
  const refuse = () => {
    throw new Error('Access to this API has been restricted');
  };
  restartForLargeModels(program({ execve: vi.fn(refuse) }));
});

describe('a real start', needs('execve' in process, 'this Node has no execve'), () => {
  test('runs with the settings, under the number that it was started with', async () => {
    const child = start(['generate', '--model', 'pocket', '--prompt', 'Once', '--max-new-tokens', '1', '--json'], {
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(spy)}` },
    });
    const { code, stderr } = await child.ended;
    expect(code).toBe(0);
    expect(stderr.match(/start \d+ .*/g)).toEqual([
      `start ${child.pid} undefined`,
      expect.stringMatching(new RegExp(`^start ${child.pid} glibc.malloc.hugetlb=1`)),
    ]);
  });

  test.each([
    ['standard input', '/dev/stdin', `echo '{ "max-new-tokens": 1 }' | "$@"`],
    ['an open file', '/dev/fd/3', `"$@" 3< <(echo '{ "max-new-tokens": 1 }')`],
  ])('what can be read only once is not read before: %s', async (_, config, through) => {
    const { code, stdout, stderr } = await surgery(
      ['generate', '--model', 'pocket', '--prompt', 'Once', '--config', config, '--quiet', '--json'],
      { through },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout).samples).toHaveLength(1);
  });
});

/** Tells each start of the program, not of its threads. */
const spy = `
import { isMainThread } from 'node:worker_threads';
if (isMainThread && process.argv[1] === ${JSON.stringify(cli)})
  process.stderr.write('start ' + process.pid + ' ' + process.env.GLIBC_TUNABLES + '\\n');
`;
