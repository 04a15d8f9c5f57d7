import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'
import type { ManualClock } from '@kithmesh/testkit'
import { VirtualAir } from '@kithmesh/testkit/ble'
import type { ControllerOptions, VirtualController } from '@kithmesh/testkit/ble'
import { HandHost } from './ble-host.ts'

/** An air on a manual clock, and hosts on it. */
export class AirFixture {
  readonly clock: ManualClock = manualClock()
  readonly air = new VirtualAir({ clock: this.clock })
  readonly controllers: VirtualController[] = []
  readonly hosts: HandHost[] = []

  async host(options?: ControllerOptions): Promise<HandHost> {
    const controller = this.air.controller(options)
    this.controllers.push(controller)
    const host = await HandHost.open(controller)
    this.hosts.push(host)
    return host
  }

  /** The controller of a host. */
  of(host: HandHost): VirtualController {
    return this.controllers[this.hosts.indexOf(host)] as VirtualController
  }

  /** A link from `a` to `b`: the handle at either. */
  async link(a: HandHost, b: HandHost, options: Parameters<HandHost['connect']>[1] = {}): Promise<[number, number]> {
    await b.advertise()
    expect(await a.connect(this.of(b).address.id, options)).to.equal(0)
    await this.clock.advance(120)
    return [await a.linked(), await b.linked()]
  }

  /** Lets everything happen that takes no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await this.clock.advance(0)
  }

  /** Ends everything; nothing may be left, and no host may have broken a rule that the test did not expect. */
  async close(violations: readonly string[] = []): Promise<void> {
    const found = this.controllers.flatMap((controller) => controller.violations.map(({ rule }) => rule))
    await this.air.close()
    await this.settle()
    expect(this.clock.pending).to.equal(0)
    expect(found).to.deep.equal(violations)
  }
}
