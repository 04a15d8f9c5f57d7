import { expect } from 'chai'
import { deviceUrl, parseDeviceUrl } from '../dist/provider/device-url.js'

describe('URLs of devices', () => {
  for (const [id, psm] of [
    ['c0ffee000001', 128],
    ['c0ffee000001', 0],
    ['000000000000', 255],
    ['6b2faab9-a7d1-57da-b22e-03bbcab4689a', 192]
  ] as const) {
    it(`reads ${deviceUrl(id, psm)} as it was written`, () => {
      expect(parseDeviceUrl(deviceUrl(id, psm))).to.deep.equal({ id, psm })
    })
  }

  it('takes upper case and a path', () => {
    expect(parseDeviceUrl('L2CAP://C0FFEE000001:128/db')).to.deep.equal({ id: 'c0ffee000001', psm: 128 })
  })

  for (const url of [
    '',
    'l2cap://',
    'l2cap://c0ffee000001',
    'l2cap://c0ffee000001:',
    'l2cap://c0ffee000001:256',
    'l2cap://c0ffee000001:99999',
    'l2cap://c0ffee000001:-1',
    'l2cap://c0:ff:ee:00:00:01:128',
    'l2cap://user@c0ffee000001:128',
    'l2cap://c0ffee000001:128?x',
    `l2cap://${'a'.repeat(65)}:128`,
    'ws://c0ffee000001:128'
  ]) {
    it(`refuses ${JSON.stringify(url)}`, () => {
      expect(() => parseDeviceUrl(url))
        .to.throw()
        .with.property('code', 'ERR_BLE_URL')
    })
  }
})
