// Bytes as the characters that byte-level vocabularies spell them with, by GPT-2's table.

/** Bytes that are a visible character of Latin-1 stand for themselves, the others for U+0100 and on. */
const characters: readonly string[] = (() => {
  let next = 0x100;
  const visible = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte <= 0xff && byte !== 0xad);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(visible(byte) ? byte : next++));
})();

const bytes = new Map(characters.map((character, byte) => [character, byte]));

const encoder = new TextEncoder();
/** U+FEFF is a character like any other, wherever it stands. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text's UTF-8 bytes, one character each. */
export function byteCharacters(text: string): string {
  if (/^[!-~]*$/.test(text)) return text;
  let spelled = '';
  for (const byte of encoder.encode(text)) spelled += characters[byte];
  return spelled;
}

/** Text of byte-level tokens. Where their bytes are no UTF-8, U+FFFD stands for each longest part of a character. */
export function textOfBytes(tokens: readonly string[]): string {
  return decoder.decode(Uint8Array.from(bytesOfTokens(tokens)));
}

/** Bytes of byte-level tokens. A token that has any other character stands for its own UTF-8 bytes. */
export function bytesOfTokens(tokens: readonly string[]): number[] {
  const utf8: number[] = [];
  for (const token of tokens) {
    const before = utf8.length;
    for (const character of token) {
      const byte = bytes.get(character);
      if (byte !== undefined) utf8.push(byte);
      else {
        utf8.length = before;
        utf8.push(...encoder.encode(token));
        break;
      }
    }
  }
  return utf8;
}
