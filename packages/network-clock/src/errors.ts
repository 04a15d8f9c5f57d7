import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const clockErrors = defineErrors({
  ERR_NTP_SERVER: {
    when: 'The name of a time server cannot be understood.',
    hint: 'Write a host name or address with an optional port: ntp.example.org, 192.0.2.1:123, [2001:db8::1]:123.'
  },
  ERR_NTP_NO_ANSWER: {
    when: 'No time server gave a usable answer before the deadline; `details.servers` says why for each.',
    hint: 'Check the names of the servers, and that UDP port 123 is open outwards.'
  },
  ERR_NTP_DISAGREEMENT: {
    when: 'No majority of the time servers that answered agrees on the time; `details.servers` lists what each said.',
    hint: 'With two servers nobody can tell which one is wrong: name at least three, better four.'
  },
  ERR_NTP_STOPPED: { when: 'The network clock was stopped while it was measuring.', hint: 'Start it again to measure.' }
})
