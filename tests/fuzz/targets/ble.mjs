// What comes over the radio: packets of a controller and PDUs of peers, good, changed and made up, for a host with unmodified libraries above.
// A good peer has to be served after each storm, and nothing of the storm may be left.
import { HostileRadio } from '../../../packages/provider-ble/dist-test/hci/support/hostile-radio.js'

export function ble(library) {
  const { warn } = console
  let radio
  return {
    name: `ble-${library}`,
    async start() {
      // The libraries print about events that they do not expect.
      console.warn = () => {}
      radio = new HostileRadio(library)
      await radio.start()
    },
    run: (choices) => radio.play(choices),
    async stop() {
      console.warn = warn
      await radio.stop()
    }
  }
}
