/** Whether `value` is a peer id: the SHA-256 of an identity certificate as 64 lowercase hex digits. */
export function isPeerId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}
