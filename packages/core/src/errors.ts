import { defineErrors } from './kithmesh-error.ts'

/** Every code this package throws, see docs/errors.md. */
export const coreErrors = defineErrors({
  ERR_CORE_TIMEOUT: {
    when: 'An operation did not finish before its deadline.',
    hint: 'The other side may be unreachable or overloaded; try again, or raise the limit.'
  },
  ERR_CORE_RETRIES: { when: 'Every one of a bounded number of attempts failed.', hint: 'Look at the cause: it is the last failure.' },
  ERR_CORE_INJECTION: {
    when: 'A component was asked for that nobody registered.',
    hint: 'This is a mistake in Kithmesh or in a plugin; please report it with the stack.'
  },
  ERR_CORE_INJECTION_CYCLE: {
    when: 'Components need each other in a circle.',
    hint: 'The message names the circle; break it at one place.'
  },
  ERR_CORE_DISPOSE: {
    when: 'Something failed to shut down; everything else was shut down.',
    hint: 'Look at the cause: it lists every failure.'
  },

  ERR_PD_GROUP_ID: {
    when: 'A peer group id is empty, too long or has forbidden characters.',
    hint: 'Use 1 to 63 bytes without comma, backslash or control characters, e.g. "com.example.shop".'
  },
  ERR_PD_PEER_ID: {
    when: 'The local peer id is not the hex SHA-256 of a certificate.',
    hint: 'Pass the peer id of your identity: 64 lowercase hex digits.'
  },
  ERR_PD_NO_PROVIDERS: {
    when: 'A peer discovery was composed without any provider.',
    hint: 'Pass at least one provider factory, e.g. providers: [dnssd()].'
  },
  ERR_PD_INVALID_PROVIDER: {
    when: 'A provider factory, or what it created, does not have the shape of the contract.',
    hint: "Pass what the plugin's function returns, e.g. dnssd(), not the function itself."
  },
  ERR_PD_INVALID_TRANSPORT: {
    when: 'A transport factory, or what it created, does not have the shape of the contract.',
    hint: "Pass what the plugin's function returns, e.g. direct(), not the function itself."
  },
  ERR_PD_CONTRACT_VERSION: {
    when: 'A plugin was built for another version of the provider or transport contract.',
    hint: 'Update the plugin or @kithmesh/core, so that both speak the same contract version.'
  },
  ERR_PD_DUPLICATE_PROVIDER: { when: 'Two providers have the same name.', hint: 'Pass each provider once; names tell protocols apart.' },
  ERR_PD_DUPLICATE_TRANSPORT: {
    when: 'Two routes have the same name.',
    hint: 'Pass each transport once; a transport may not be called like a provider that brings its own sockets.'
  },
  ERR_PD_CREATE_FAILED: { when: 'A plugin threw while it was created.', hint: 'Look at the cause and at the options given to the plugin.' },
  ERR_PD_UNKNOWN_PROVIDER: { when: 'A provider name is not one of this discovery.', hint: 'The names are in discovery.providers.' },
  ERR_PD_METADATA: {
    when: 'A metadata key or value cannot be encoded as a TXT item.',
    hint: 'Keys are printable ASCII without "="; key and value together fit in 254 bytes.'
  },
  ERR_PD_PUBLISH_OPTIONS: {
    when: 'A display name or port to publish is not usable, or there is no port and all providers need one.',
    hint: 'The display name is a non-empty text; the port is that of your listener, 1 to 65535, e.g. of direct() of @kithmesh/transport-direct.'
  },
  ERR_PD_UNSUPPORTED: {
    when: 'A provider was asked for something its capabilities exclude.',
    hint: "Look at the factory's capabilities, or choose another provider."
  },
  ERR_PD_START_FAILED: {
    when: 'No provider could start browsing or publishing.',
    hint: 'Look at the cause: it lists one error per provider.'
  },
  ERR_PD_PROVIDER_FAILED: {
    when: 'A provider reported a failure that is not an error object, or gave no reason.',
    hint: "The provider's log may tell more."
  },
  ERR_PD_NOT_PUBLISHING: { when: 'updateMetadata was called while nothing is published.', hint: 'Call startPublishing first.' },
  ERR_PD_LISTEN_FAILED: {
    when: 'No transport accepts connections of peers.',
    hint: 'Add a transport that listens, or choose a free port; the cause lists one error per transport.'
  },
  ERR_PD_UPDATE_FAILED: {
    when: 'No provider could change the published metadata.',
    hint: 'Look at the cause: it lists one error per provider.'
  },
  ERR_PD_SHUT_DOWN: {
    when: 'A peer discovery was used after its shutdown.',
    hint: 'Shutdown is final; create another one. To pause, use stopBrowsing and stopPublishing.'
  },
  ERR_PD_RESOLVE_BUSY: {
    when: 'resolveUrl was called while another call for this peer is running.',
    hint: 'Wait for it, or cancel it with its signal.'
  },
  ERR_PD_RESOLVE_FAILED: {
    when: 'A provider could not find out where a peer can be reached.',
    hint: 'The peer may just have left; it is listed again when it returns.'
  },
  ERR_PD_PEER_OFFLINE: { when: 'A peer is no longer there.', hint: 'Pick a peer from the current list.' },
  ERR_PD_UNKNOWN_DEVICE: {
    when: 'A device id is not in the list of devices.',
    hint: 'Pick a device from the current list; a device that left is listed again when it returns.'
  },

  ERR_ADDRESS_INVALID: {
    when: 'The address of a peer is not written as it has to be, or cannot be said in the other form; `details.problem` says which rule.',
    hint: 'Copy the whole address again; the message names the part that is wrong.'
  },

  ERR_ROUTE_NONE: {
    when: 'There is no usable route to a device: nothing could even be tried.',
    hint: 'The report lists the reason for each sighting and strategy; add a transport that fits.'
  },
  ERR_ROUTE_FAILED: {
    when: 'Every route to a device failed, or none succeeded before the deadline.',
    hint: 'Call discovery.explain(device) to see each attempt, its error and a hint.'
  },
  ERR_ROUTE_BAD_SOCKET: {
    when: 'A transport succeeded but returned something that is not a byte stream.',
    hint: 'This is a mistake in the transport; report it to its authors.'
  },

  ERR_SIGNAL_UNREACHABLE: {
    when: 'No signalling channel can carry a message to a device.',
    hint: 'Are both devices connected to a broker they share? discovery.status tells about ours.'
  },
  ERR_SIGNAL_NO_ANSWER: {
    when: 'A device did not answer a signalling request in time.',
    hint: 'It may just have left, or it does not accept this device; its log may tell.'
  },
  ERR_SIGNAL_REFUSED: {
    when: 'A device answered a signalling request with an error.',
    hint: 'The message is what the other device says, and its log tells more; details.code is the code it gave, such as ERR_SIGNAL_UNKNOWN for a request it does not know, ERR_SIGNAL_BUSY when it has too many, ERR_SIGNAL_FAILED when it could not answer.'
  },
  ERR_SIGNAL_TOO_LARGE: {
    when: 'A signalling message is longer than channels carry.',
    hint: 'Send large things over a connection; signalling is for setting one up.'
  },

  ERR_ACCESS_RULE: {
    when: 'A rule of the access lists cannot be used.',
    hint: 'A rule has an effect (allow or block) and at least one of peerId (64 hex digits), range (an address, or 10.0.0.0/8) and group.'
  },
  ERR_ACCESS_FULL: {
    when: 'The access lists have as many rules as they can hold.',
    hint: 'Use ranges (10.0.0.0/8) instead of single addresses, or allow whom you want instead of blocking everybody else.'
  },
  ERR_ACCESS_FORMAT: {
    when: 'Stored access lists cannot be read.',
    hint: 'Nothing of them is used. Look at the cause, and repair or replace what was stored; toJSON of AccessLists writes it.'
  },
  ERR_ACCESS_REFUSED: {
    when: 'The access lists forbid a connection to or from a device or an address.',
    hint: 'The message names the rule; change the rules in discovery.access if the device is welcome.'
  },
  ERR_INBOUND_REJECTED: {
    when: 'The application rejected a device that wanted to come in, or its decision failed.',
    hint: 'onIncomingPeer decides; accept the device there if it is welcome.'
  },
  ERR_INBOUND_FULL: {
    when: 'A device wanted to come in while as many wait for a decision as may, in all or from its address.',
    hint: 'Decide on those that wait (they are in the list of pending devices), or decide sooner.'
  },
  ERR_INBOUND_TIMEOUT: {
    when: 'Nobody decided in time on a device that wanted to come in.',
    hint: 'Answer onIncomingPeer sooner, or hold the device and decide within the time that devices are held.'
  },
  ERR_INBOUND_REPLACED: {
    when: 'A device that waits to be let in connected once more; its former connection ended.',
    hint: 'Nothing is to be done: the new connection waits in its place.'
  },
  ERR_KNOWN_PEERS_STORE: {
    when: 'The list of known peers cannot be read or written.',
    hint: 'Look at the cause. What cannot be written is kept in memory and tried again; what cannot be read has to be repaired first.'
  },
  ERR_KNOWN_PEERS_FULL: {
    when: 'As many peers are trusted or blocked as can be remembered.',
    hint: 'Forget those that are gone. To block many, use an address range, or allow whom you want.'
  }
})
