// Debian's Chromium, where it is installed: what a page does in a real browser.
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Undefined where there is none: `make browser` installs it. */
export const browserPath = candidates.find((path) => path !== undefined && existsSync(path));

/** A fresh browser that does nothing of its own accord. */
export function launch(): Promise<Browser> {
  if (!browserPath) throw new TypeError('there is no browser');
  return chromium.launch({
    executablePath: browserPath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
