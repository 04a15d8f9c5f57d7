// A virtual air for one test: controllers that foreign programs reach over H4 on loopback, the witnesses on them, and an end that checks both.
import { realClock } from '@kithmesh/testkit'
import { serveAir, VirtualAir } from '@kithmesh/testkit/ble'
import { expect } from 'chai'
import { Bumble } from './bumble.mjs'

export function createStage() {
  const air = new VirtualAir({ clock: realClock })
  const servers = []
  const witnesses = []
  const controllers = []

  return {
    air,

    /** A controller for a program: `{ transport, controller() }`, the latter known once the program has connected. */
    async serve(options) {
      let controller
      const server = await serveAir(air, {
        controller: options,
        joined(made) {
          controller = made
          controllers.push(made)
        }
      })
      servers.push(server)
      return { transport: `tcp-client:${server.host}:${server.port}`, controller: () => controller }
    },

    /** A program of bumble without a controller. */
    witness() {
      const bumble = new Bumble()
      witnesses.push(bumble)
      return bumble
    },

    /** A host of bumble on a controller of its own: `{ bumble, controller }`. With an `address`, a static random one. */
    async host(name, { address, ...options } = {}) {
      const bumble = this.witness()
      const { transport, controller } = await this.serve(options)
      await bumble.ask('open', { transport, name, address })
      return { bumble, controller: controller() }
    },

    /** A controller of our own kind, for a host in this process. */
    controller(options) {
      const controller = air.controller(options)
      controllers.push(controller)
      return controller
    },

    /** Ends everything; nobody may have asked a controller for what none would do. */
    async end() {
      await Promise.all(witnesses.map((witness) => witness.end()))
      await Promise.all(servers.map((server) => server.close()))
      await air.close()
      expect(controllers.flatMap(({ address, violations }) => violations.map((violation) => ({ ...address, ...violation })))).to.deep.equal(
        []
      )
    }
  }
}
