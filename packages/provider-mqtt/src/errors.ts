import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const mqttErrors = defineErrors({
  ERR_MQTT_CONNECT: {
    when: 'A broker could not be reached, or did not answer the MQTT greeting in time.',
    hint: 'Check the URL, its port and scheme, and that the broker runs; look at the cause.'
  },
  ERR_MQTT_REFUSED: {
    when: 'A broker refused the connection.',
    hint: 'Check user name and password, and that the broker allows this client.'
  },
  ERR_MQTT_NO_BROKER: {
    when: 'None of the brokers can be used.',
    hint: 'Each broker has its reason in the details; one that works is enough.'
  },
  ERR_MQTT_LOST: {
    when: 'The connection to a broker ended while something was under way.',
    hint: 'The connection is made again by itself; try again then.'
  },
  ERR_MQTT_PROTOCOL: {
    when: 'A broker sent what MQTT does not allow, or a packet larger than 64 KiB.',
    hint: 'Use another broker; nothing in a group needs packets of that size.'
  },
  ERR_MQTT_DENIED: {
    when: 'A broker refused a subscription or a publication.',
    hint: 'Its access list has to allow this user the topics in the README of this package.'
  },
  ERR_MQTT_TOO_LARGE: {
    when: 'Metadata, certificates or a message do not fit.',
    hint: 'Publish less metadata; presence takes at most 8 KiB with the certificates, a signalling message 16 KiB.'
  },
  ERR_MQTT_UNKNOWN_PEER: { when: 'A peer was asked for that is not known.', hint: 'Pick a peer from the current list.' },
  ERR_MQTT_STOPPED: {
    when: 'An operation was under way, or asked for, while the provider was stopped.',
    hint: 'Start the provider again; after shutdown create another one.'
  }
})
