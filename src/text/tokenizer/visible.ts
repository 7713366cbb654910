// Tokens as people read them: a mark in place of each character that does not show, bytes where a character is not whole.

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const marks: Readonly<Record<string, string>> = { ' ': '·', '\n': '⏎', '\t': '⇥' };

/** Controls, format characters, other spaces, and what {@link visible} itself writes. */
const escaped = /[\p{Cc}\p{Cf}\p{Co}\p{Z}·⏎⇥⟨⟩]/u;

/**
 * A token's UTF-8 as a line of text: `·the`, `⏎`, `⇥`, `⟨U+00A0⟩` for a no-break space, `⟨E2 80⟩` for the bytes of a part of
 * a character. A combining mark at the start stands on `◌`. Different texts are shown differently.
 */
export function visible(bytes: Uint8Array): string {
  let shown = '';
  let halves: string[] = [];
  const close = () => {
    if (halves.length > 0) shown += `⟨${halves.join(' ')}⟩`;
    halves = [];
  };
  for (let at = 0; at < bytes.length; ) {
    const character = characterAt(bytes, at);
    if (character === undefined) halves.push(...[...bytes.subarray(at, ++at)].map((byte) => hex(byte, 2)));
    else {
      close();
      shown += marked(character.text);
      at += character.bytes;
    }
  }
  close();
  return /^\p{M}/u.test(shown) ? `◌${shown}` : shown;
}

function characterAt(bytes: Uint8Array, at: number): { text: string; bytes: number } | undefined {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      return { text: strict.decode(bytes.subarray(at, at + length)), bytes: length };
    } catch {
      // Not whole yet, or never.
    }
  }
  return undefined;
}

function marked(character: string): string {
  const mark = marks[character];
  if (mark !== undefined) return mark;
  const point = character.codePointAt(0);
  return point !== undefined && escaped.test(character) ? `⟨U+${hex(point, 4)}⟩` : character;
}

const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
