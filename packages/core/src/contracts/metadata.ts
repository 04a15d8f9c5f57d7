/**
 * What a peer tells about itself before anyone connects: a small map from ASCII keys to bytes.
 * Keys are 1–63 printable ASCII characters without `=`; one item (`key=value`) is at most 255 bytes.
 * Encoded on the wire as DNS-SD TXT items (RFC 6763 §6), see `encodeTxt` and `decodeTxt`.
 */
export type Metadata = ReadonlyMap<string, Uint8Array>

/** Metadata as applications write it: strings are encoded as UTF-8. */
export type MetadataInput = Readonly<Record<string, string | Uint8Array>> | Metadata
