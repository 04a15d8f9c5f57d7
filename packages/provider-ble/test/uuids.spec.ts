import { expect } from 'chai'
import { metadataTag, serviceUuid } from '@kithmesh/provider-ble'

describe('identifiers of the service', () => {
  it('has the UUID that other implementations compute for a group', () => {
    // ble.md §3: computed by another implementation.
    expect(serviceUuid('com.example.group')).to.equal('6b2faab9-a7d1-57da-b22e-03bbcab4689a')
  })

  it('has a tag that changes with the metadata and with the port', () => {
    const tag = metadataTag(0x80, Buffer.from('\x03a=1'))
    expect(metadataTag(0x80, Buffer.from('\x03a=1'))).to.equal(tag)
    expect(metadataTag(0x81, Buffer.from('\x03a=1'))).to.not.equal(tag)
    expect(metadataTag(0x80, Buffer.from('\x03a=2'))).to.not.equal(tag)
  })
})
