/**
 * Ids as they are stored. One of the SQLite bindings cuts text off at U+0000 when reading, so that character is written as 1 1
 * and U+0001 as 1 2, which keeps the order and costs nothing for ids without them.
 */
export function storedText(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll('\u0001', '\u0001\u0002').replaceAll('\u0000', '\u0001\u0001') : text
}

/** The opposite of {@link storedText}. */
export function textOf(stored: string): string {
  return stored.includes('\u0001')
    ? stored.replace(/\u0001[\u0001\u0002]/g, (pair) => (pair === '\u0001\u0001' ? '\u0000' : '\u0001'))
    : stored
}

const SPECIAL = /[\u0000\u0001]/
