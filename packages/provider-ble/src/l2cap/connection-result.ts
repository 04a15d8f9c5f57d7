/** Results of a request for a channel (Core Specification, vol. 3, part A, §4.23, table 4.19). */
export const RESULT_SUCCESS = 0x0000
export const RESULT_PSM_NOT_SUPPORTED = 0x0002
export const RESULT_NO_RESOURCES = 0x0004
export const RESULT_INVALID_CID = 0x0009
export const RESULT_CID_IN_USE = 0x000a
export const RESULT_UNACCEPTABLE_PARAMETERS = 0x000b

const meanings: Readonly<Record<number, string>> = {
  [RESULT_PSM_NOT_SUPPORTED]: 'there is no such PSM',
  [RESULT_NO_RESOURCES]: 'no resources available',
  5: 'insufficient authentication',
  6: 'insufficient authorization',
  7: 'encryption key too short',
  8: 'insufficient encryption',
  [RESULT_INVALID_CID]: 'invalid source CID',
  [RESULT_CID_IN_USE]: 'source CID already allocated',
  [RESULT_UNACCEPTABLE_PARAMETERS]: 'unacceptable parameters'
}

/** For people. */
export function describeResult(result: number): string {
  return meanings[result] ?? `result 0x${result.toString(16).padStart(4, '0')}`
}
