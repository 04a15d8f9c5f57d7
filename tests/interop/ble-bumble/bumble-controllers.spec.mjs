import { h4Socket } from '@kithmesh/provider-ble'
import { Bumble } from './bumble.mjs'
import { describeForeignControllers } from './foreign-controllers.mjs'

describeForeignControllers('bumble', async () => {
  const bumble = new Bumble()
  const { ports } = await bumble.ask('controllers', { addresses: ['c0ffee000001', 'c0ffee000002', 'c0ffee000003'] })
  return {
    adapter: () => h4Socket({ host: '127.0.0.1', port: ports.shift() }),
    end: () => bumble.end()
  }
})
