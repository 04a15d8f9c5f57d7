import { h4Socket } from '@kithmesh/provider-ble'
import { describeForeignControllers } from '../ble-bumble/foreign-controllers.mjs'
import { startBtvirt } from './btvirt.mjs'

describeForeignControllers('btvirt', async () => {
  const btvirt = await startBtvirt()
  return { adapter: () => h4Socket({ path: btvirt.path }), end: () => btvirt.end() }
})
