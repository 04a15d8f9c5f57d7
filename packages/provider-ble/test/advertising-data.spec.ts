import { expect } from 'chai'
import fc from 'fast-check'
import {
  AD_TYPE,
  advertisementData,
  decodeAdvertisingData,
  encodeAdvertisingData,
  readAdvertisement,
  scanResponseData,
  tagOfManufacturerData
} from '../dist/gatt/advertising-data.js'

const service = '6b2faab9-a7d1-57da-b22e-03bbcab4689a'

describe('advertising data', () => {
  it('has the flags, the service and the tag in 29 bytes', () => {
    expect(advertisementData(service, 0x01020304).toString('hex')).to.equal(
      `020106${'11079a68b4cabb032eb2da57d1a7b9aa2f6b'}${'07ffffff04030201'}`
    )
  })

  it('is read back as it was written, whatever the tag and the name', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.nat(0xffffffff), fc.string({ unit: 'grapheme', maxLength: 40 }), (uuid, tag, name) => {
        const scanResponse = scanResponseData(name)
        const facts = readAdvertisement(Buffer.concat([advertisementData(uuid, tag), scanResponse]))
        expect(scanResponse.length).to.be.at.most(31)
        expect(facts.serviceUuids).to.deep.equal([uuid])
        expect(facts.tag).to.equal(tag)
        const whole = Buffer.from(name).toString('utf8')
        if (name === '') expect(facts.displayName).to.equal(undefined)
        else if (Buffer.byteLength(name) <= 29) expect(facts.displayName).to.equal(whole)
        else {
          expect(whole.startsWith(facts.displayName!), `${facts.displayName} of ${whole}`).to.equal(true)
          expect(Buffer.byteLength(facts.displayName!)).to.be.within(26, 29)
        }
      })
    )
  })

  it('calls a name that does not fit shortened, and cuts it where a character ends', () => {
    expect(scanResponseData('Zoë').toString('hex')).to.equal('05095a6fc3ab')
    expect(scanResponseData('ë'.repeat(20)).toString('hex')).to.equal(`1d08${'c3ab'.repeat(14)}`)
    expect(scanResponseData('😀'.repeat(8)).toString('hex')).to.equal(`1d08${'f09f9880'.repeat(7)}`)
    expect(scanResponseData('').length).to.equal(0)
  })

  it('takes structures of any type, up to 31 bytes', () => {
    const structure = fc.record({ type: fc.nat(255), data: fc.uint8Array({ maxLength: 12 }) })
    fc.assert(
      fc.property(fc.array(structure, { maxLength: 4 }), (structures) => {
        const length = structures.reduce((sum, { data }) => sum + 2 + data.length, 0)
        if (length > 31) expect(() => encodeAdvertisingData(structures)).to.throw(RangeError)
        else {
          expect(
            decodeAdvertisingData(encodeAdvertisingData(structures)).map(({ type, data }) => ({ type, data: [...data] }))
          ).to.deep.equal(structures.map(({ type, data }) => ({ type, data: [...data] })))
        }
      })
    )
    expect(() => encodeAdvertisingData([{ type: 1, data: Buffer.alloc(255) }])).to.throw(RangeError)
    expect(() => advertisementData('no uuid', 1)).to.throw(TypeError)
  })

  it('reads anything without throwing, and keeps what came before the damage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        readAdvertisement(bytes)
      })
    )
    const cut = Buffer.concat([encodeAdvertisingData([{ type: AD_TYPE.completeName, data: Buffer.from('a') }]), Buffer.of(9, 0x09, 0x62)])
    expect(readAdvertisement(cut).displayName).to.equal('a')
    expect(decodeAdvertisingData(Buffer.of(0, 2, 1, 6))).to.deep.equal([])
  })

  it('finds no tag in the data of other companies, nor in data of another length', () => {
    expect(tagOfManufacturerData(Buffer.from('ffff78563412', 'hex'))).to.equal(0x12345678)
    expect(tagOfManufacturerData(Buffer.from('4c0078563412', 'hex'))).to.equal(undefined)
    expect(tagOfManufacturerData(Buffer.from('ffff7856341200', 'hex'))).to.equal(undefined)
    expect(tagOfManufacturerData(Buffer.alloc(0))).to.equal(undefined)
  })
})
