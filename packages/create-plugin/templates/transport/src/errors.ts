import { defineErrors } from '@kithmesh/core/plugin'

/** Every code of this transport. */
export const __factory__Errors = defineErrors({
  ERR___CODE___PROXY: {
    when: 'The proxy cannot be reached, or hung up.',
    hint: 'See that it runs, and that its address is right.'
  },
  ERR___CODE___REFUSED: {
    when: 'The proxy answered that it does not connect to the device.',
    hint: 'Its rules may forbid it, or it cannot reach the device either; its log may tell.'
  },
  ERR___CODE___PROTOCOL: {
    when: 'What is at the address of the proxy does not speak HTTP.',
    hint: 'Check the address: it may be that of something else.'
  },
  ERR___CODE___TIMEOUT: {
    when: 'The tunnel was not open before its deadline.',
    hint: 'The proxy or the device may be overloaded; try again, or raise deadlineMs.'
  },
  ERR___CODE___SHUT_DOWN: {
    when: 'The transport was shut down meanwhile.',
    hint: 'Shutdown is final; make another discovery.'
  }
})
