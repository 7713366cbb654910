// Adds up several passes over the tests, and fails if a test was skipped for a reason that no rule below accepts:
//
//     node scripts/ci/tally.mjs REPORT …      reports of test/support/reporter.ts
//
// A test counts as passed in each pass that it passes, and as skipped if no pass runs it. A missing report is a failure.
// The last line is `N passed, N failed, N skipped`; exit code 1 if a test failed or may not be skipped.
import { existsSync, readFileSync } from 'node:fs';

const files = process.argv.slice(2);
const missing = files.filter((file) => !existsSync(file));
const passes = files.filter(existsSync).map((file) => JSON.parse(readFileSync(file, 'utf8')));

/** When a test may be skipped, by the reason that it gives. */
const rules = {
  '../shared is not here': () => !process.env.CI,
  'this Node has no execve': ({ name, node }) => isBefore(node, 22, 15) && ranElsewhere(name),
};

function isBefore(version, ...least) {
  const [major, minor] = version.split('.').map(Number);
  return major < least[0] || (major === least[0] && minor < least[1]);
}

function ranElsewhere(name) {
  return passes.some(({ outcomes }) => outcomes.some((one) => one.name === name && one.state !== 'skipped'));
}

const ofState = (outcomes, state) => outcomes.filter((one) => one.state === state);
const all = passes.flatMap(({ node, outcomes }) => outcomes.map((outcome) => ({ node, ...outcome })));
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map((state) => ofState(all, state));
const refused = skipped.filter((outcome) => !rules[outcome.reason]?.(outcome));
const neverRun = new Set(skipped.map(({ name }) => name).filter((name) => !ranElsewhere(name)));

for (const { node, outcomes } of passes) {
  const counts = ['passed', 'failed', 'skipped'].map((state) => `${ofState(outcomes, state).length} ${state}`);
  console.log(`Under Node ${node}: ${counts.join(', ')}`);
}
for (const { name, node } of failed) console.log(`failed under Node ${node}: ${name}`);
for (const file of missing) console.log(`failed: a pass over the tests did not end, ${file} is not there`);
for (const { name, node, reason = 'no reason given' } of refused)
  console.log(`skipped under Node ${node}, which no rule in scripts/ci/tally.mjs accepts: ${name}: ${reason}`);
console.log(`${passed.length} passed, ${failed.length + missing.length} failed, ${neverRun.size} skipped`);
if (failed.length + missing.length + refused.length > 0) process.exitCode = 1;
