/** `host:port` with brackets around IPv6 (RFC 3986 §3.2.2): `192.0.2.1:3478`, `[2001:db8::1]:3478`. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** {@link formatHostPort} of an address and a port that are kept together. */
export function formatEndpoint({ address, port }: { readonly address: string; readonly port: number }): string {
  return formatHostPort(address, port)
}
