#!/usr/bin/env node
// What `npx surgery` starts: it is there before the build too, where npx could link to nothing else.
import { existsSync } from 'node:fs';

const program = new URL('../dist/cli.js', import.meta.url);
if (existsSync(program)) await import(program.href);
else {
  process.stderr.write('surgery: it is not built yet: run make build in its folder\n');
  process.exitCode = 2;
}
