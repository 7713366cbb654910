// The HTML document around a report: self-contained, no network requests.
import { createHash } from 'node:crypto';
import { type Html, html, raw } from './html.ts';
import { script } from './script.ts';
import { css } from './theme.ts';

/**
 * A whole HTML document. Its policy lets in this style sheet and this script, by their hashes, and nothing else: no
 * request can be made, whatever a prompt or a checkpoint has written into the text.
 */
export function pageHtml(title: string, body: Html): string {
  const policy = [
    "default-src 'none'",
    `style-src '${hashOf(css)}'`,
    `script-src '${hashOf(script)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `${
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${raw(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(css)}</style>
</head>
<body>
${body}
<script>${raw(script)}</script>
</body>
</html>`.text
  }\n`;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
