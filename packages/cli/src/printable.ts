/** Text that came from strangers, without anything that a terminal would obey, and not too long. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?').slice(0, 300)
}

/** The same for text of any length, whose line breaks are meant. */
export function printableLines(text: string): string {
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}
