import type { ManualClock } from '@kithmesh/testkit'
import type { HciHost } from '../../../dist/hci/hci-host.js'
import { settled } from './fake-library.ts'
import type { ScriptedController } from './scripted-controller.ts'

/** Ends a host whose controller may answer nothing any more. */
export async function stopHost(host: HciHost, adapter: ScriptedController, clock: ManualClock): Promise<void> {
  adapter.letGo()
  const stopped = host.stop()
  await settled()
  await clock.advance(2000)
  await stopped
}
