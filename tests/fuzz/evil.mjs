// Values that break programs, and ways to put them where good ones stood.

const TEXTS = [
  '',
  ' ',
  '0',
  '-1',
  '1',
  '00',
  '1e9',
  '1e309',
  'NaN',
  'null',
  'true',
  'undefined',
  '9007199254740993',
  '18446744073709551616',
  '-9223372036854775808',
  '__proto__',
  'constructor',
  'toString',
  '../../etc/passwd',
  'a/b',
  '_local/x',
  '_design/x',
  '%00',
  '\u202e',
  '\ud83d\ude00',
  'e\u0301',
  '\ufeff',
  '"',
  '\\',
  '{}',
  '[]',
  '1-',
  '-abc',
  '0-abc',
  '1-zz',
  '1-abcdef',
  '999999999999999999999-aa',
  '1@*',
  '@',
  '1@',
  'ffffffffffffffff@*',
  '18d0a@AAAAAAAAAAAAAAAAAAAAAA',
  '1@a,2@b;3@c',
  ',',
  ';',
  ',,,',
  '1@*,',
  'sha1-',
  'sha1-AAAA',
  'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  'sha256-x',
  'x'.repeat(300),
  '\u00e9'.repeat(200),
  'y'.repeat(20_000)
] // prettier-ignore

const VALUES = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  1,
  0.5,
  1e21,
  2 ** 53,
  -(2 ** 63),
  [],
  {},
  [[]],
  [null],
  [{}],
  '',
  'x',
  { '@type': 'blob' },
  { '@type': 'blob', digest: 5 },
  { '@type': 'blob', digest: 'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=', length: -1 },
  { '@type': 'blob', digest: '../x', length: 1 },
  { _attachments: { a: null } },
  { _id: 'x', _rev: '1-a' },
  { _deleted: true },
  { _removed: true }
] // prettier-ignore

export const evilText = (choices) => choices.pick(TEXTS)

export function evilValue(choices) {
  switch (choices.below(8)) {
    case 0:
      return evilText(choices)
    case 1: {
      let nested = []
      for (let depth = choices.below(200); depth > 0; depth--) nested = choices.oneIn(2) ? { a: nested } : [nested]
      return nested
    }
    case 2:
      return Array.from({ length: choices.below(500) }, () => VALUES[3])
    default:
      return choices.pick(VALUES)
  }
}

/** A copy of a JSON value in which something somewhere is another thing. */
export function evilCopy(value, choices) {
  if (typeof value !== 'object' || value === null || choices.oneIn(6)) return evilValue(choices)
  const keys = Object.keys(value)
  if (keys.length === 0) return evilValue(choices)
  const key = choices.pick(keys)
  const copy = Array.isArray(value) ? [...value] : { ...value }
  switch (choices.below(5)) {
    case 0:
      if (Array.isArray(copy)) copy.splice(Number(key), 1)
      else delete copy[key]
      break
    case 1:
      if (Array.isArray(copy)) copy.push(copy[key], evilValue(choices))
      else copy[evilText(choices).slice(0, 100)] = copy[key]
      break
    default:
      copy[key] = evilCopy(copy[key], choices)
  }
  return copy
}

/** Bytes with some of them changed, taken out or put in. */
export function evilBytes(bytes, choices) {
  let copy = Buffer.from(bytes)
  for (let n = 1 + choices.below(4); n > 0; n--) {
    const at = choices.below(Math.max(1, copy.length))
    const way = choices.below(4)
    if (way === 1) copy = Buffer.concat([copy.subarray(0, at), choices.bytes(1 + choices.below(8)), copy.subarray(at)])
    else if (way === 2) copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + choices.below(20))])
    else if (copy.length > 0) copy[at] = choices.byte()
  }
  return copy
}

/** A body: mostly JSON of the right shape with something wrong in it. */
export function evilBody(body, choices) {
  if (choices.oneIn(5)) return evilBytes(body, choices)
  try {
    return Buffer.from(JSON.stringify(evilCopy(JSON.parse(body.toString()), choices)) ?? '')
  } catch {
    return evilBytes(body, choices)
  }
}
