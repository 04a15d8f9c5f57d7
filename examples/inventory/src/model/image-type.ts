/** Types of pictures that browsers show and that cannot carry scripts. */
export type ImageType = 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp'

/** The type of a picture by its first bytes; what senders say of it is not believed. */
export function imageTypeOf(bytes: Uint8Array): ImageType | undefined {
  const begins = (...expected: number[]): boolean => expected.every((byte, index) => bytes[index] === byte)
  const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to))
  if (begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'image/png'
  if (begins(0xff, 0xd8, 0xff)) return 'image/jpeg'
  if (text(0, 6) === 'GIF87a' || text(0, 6) === 'GIF89a') return 'image/gif'
  if (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') return 'image/webp'
  return undefined
}
