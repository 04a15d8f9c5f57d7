const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Refuses what a header of a request cannot be (RFC 9110 §5). @throws TypeError */
export function checkRequestHeader(name: string, value: string): void {
  if (!TOKEN.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name of a header`)
  if (!VALUE.test(value)) throw new TypeError(`The header ${name} has characters that headers cannot have`)
}
