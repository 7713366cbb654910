// A home folder of one's own, and an environment in which onnxruntime would send telemetry and keep its queue there.
import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Any of these being set keeps its telemetry off: see core/platform/telemetry_environment.h in its source. */
const signsOfTests = [
  'CI',
  'TF_BUILD',
  'GITHUB_ACTIONS',
  'GITLAB_CI',
  'CIRCLECI',
  'TRAVIS',
  'JENKINS_URL',
  'CODEBUILD_BUILD_ID',
  'BUILDKITE',
  'TEAMCITY_VERSION',
  'APPVEYOR',
  'BITBUCKET_BUILD_NUMBER',
  'SYSTEM_TEAMFOUNDATIONCOLLECTIONURI',
  'ORT_RUNNING_UNIT_TESTS',
];

/** Variables for a program whose home is a new folder in `within`. */
export function newHome(within: string): Record<string, string> & { HOME: string } {
  return {
    ...Object.fromEntries(signsOfTests.map((name) => [name, ''])),
    ORT_DISABLE_TELEMETRY: '0',
    SURGERY_CACHE: '',
    XDG_CACHE_HOME: '',
    HOME: mkdtempSync(join(within, 'home-')),
  };
}

/** Paths of all files and folders in a folder, folders before what is in them. */
export function everythingIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}
