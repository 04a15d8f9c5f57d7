import { KithmeshError, defineErrors } from '@kithmesh/core'

/** Why an air cannot be shared. */
export const airErrors = defineErrors({
  ERR_AIR_LISTEN: {
    when: 'The TCP port on which a virtual air was to be shared cannot be had.',
    hint: 'Another program may use it; choose another port, or 0 for any.'
  }
})

/**
 * What opening a virtual controller fails with: codes of `@kithmesh/provider-ble`, whose catalogue describes them, because that is what every
 * `HciAdapter` fails with.
 */
export function adapterError(code: keyof typeof hints, message: string): KithmeshError {
  return new KithmeshError(code, message, { hint: hints[code] })
}

const hints = {
  ERR_BLE_NO_ADAPTER: 'The virtual controller was unplugged or its air was closed; plug it in again.',
  ERR_BLE_ADAPTER_BUSY: 'A virtual controller has one host at a time; close the port that is open first.',
  ERR_BLE_ADAPTER_FAILED: 'The virtual controller was unplugged while it was in use; plug it in again.'
} as const
