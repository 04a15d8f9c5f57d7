// The codecs of discovery: whatever comes is read or refused, never thrown over, and what was read can be written and read again.
import assert from 'node:assert/strict'
import { decodeTxt, encodeTxt } from '../../../packages/core/dist/txt.js'
import { rrType } from '../../../packages/provider-dnssd/dist/rdata.js'
import { serviceRecords } from '../../../packages/provider-dnssd/dist/records.js'
import { MessageWriter, decodeMessage } from '../../../packages/provider-dnssd/dist/dns-message.js'
import { evilBytes } from '../evil.mjs'

const service = serviceRecords(
  { label: 'A shop', serviceType: '_couchbaseP2P._tcp', groups: ['my.app'], host: 'shop', port: 1000, txt: Buffer.from('\x03a=1\x04bb=2') },
  ['192.0.2.1', 'fe80::1']
)

function goodPacket() {
  const writer = new MessageWriter(9000)
  writer.addQuestion({ name: 'my\\.app._sub._couchbaseP2P._tcp.local', type: rrType.PTR })
  for (const record of [...service.instance, ...service.addresses]) writer.add('answers', record)
  return writer.finish({ response: true })
}

export const dns = {
  name: 'dns',
  run(choices) {
    const packet = choices.oneIn(3) ? choices.bytes(choices.below(400)) : evilBytes(goodPacket(), choices)
    const message = decodeMessage(packet)
    if (message === undefined) return
    const writer = new MessageWriter(60_000)
    for (const record of message.answers) assert(writer.add('answers', record), 'a record that was read cannot be written')
    assert.deepEqual(decodeMessage(writer.finish({ response: true }))?.answers, message.answers)
  }
}

export const txt = {
  name: 'txt',
  run(choices) {
    const bytes = choices.oneIn(2)
      ? choices.bytes(choices.below(300))
      : evilBytes(
          encodeTxt(
            new Map([
              ['name', Buffer.from('x')],
              ['k', choices.bytes(choices.below(60))]
            ])
          ),
          choices
        )
    const metadata = decodeTxt(bytes)
    let size = 0
    for (const [key, value] of metadata) size += key.length + value.length
    assert(size <= bytes.length, 'more was read than there is')
  }
}
