import { expect } from 'chai'
import type { SocketCloseInfo } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { meshErrors } from '@kithmesh/mesh'
import { type MeshConnection, MeshEngine, type MeshMember } from '@kithmesh/mesh/engine'
import { eventually, manualClock } from '@kithmesh/testkit'

const localPeerId = 'a'.repeat(64)
const peerId = 'b'.repeat(64)

describe('an engine', () => {
  let database: Database
  const clock = manualClock()
  const engines: MeshEngine[] = []
  beforeEach(async () => {
    database = await Database.open(':memory:')
  })
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.stop()))
    await database.close()
  })

  function engineWith(options: Partial<ConstructorParameters<typeof MeshEngine>[0]> = {}): MeshEngine {
    const connector = { dial: (): Promise<never> => new Promise(() => {}) }
    const engine = new MeshEngine({ localPeerId, displayName: 'here', connector, database, clock, ...options })
    engines.push(engine)
    return engine
  }

  /** An incoming connection whose other side says nothing, and closes only when it is told to. */
  function mute(): { readonly connection: MeshConnection; readonly closed: () => void; readonly closings: number[] } {
    const listeners: ((info: SocketCloseInfo) => void)[] = []
    const closings: number[] = []
    const connection = {
      blip: {
        request: () => {},
        handle: () => {},
        unansweredRequests: 0,
        close: (code = 1000) => {
          closings.push(code)
        },
        onClosed: (listener: (info: SocketCloseInfo) => void) => {
          listeners.push(listener)
        }
      },
      protocol: 'BLIP_3+CBMobile_4',
      description: 'mute',
      peerId,
      displayName: 'there',
      direction: 'incoming',
      route: 'direct 127.0.0.1:1',
      quality: 'direct',
      binding: Buffer.alloc(32, 1),
      standing: 'trusted',
      probe: () => {},
      terminate: () => {}
    } as unknown as MeshConnection
    return {
      connection,
      closings,
      closed: () => {
        for (const listener of listeners) listener({ code: 1000, reason: '' } as SocketCloseInfo)
      }
    }
  }

  it('has stopped only when the connections are closed of devices that it has forgotten, too', async () => {
    const engine = engineWith()
    engine.start()
    const { connection, closed, closings } = mute()
    engine.accept(connection)
    engine.disconnect(peerId, meshErrors.create('ERR_MESH_BLOCKED', 'blocked'))
    expect(engine.links).to.deep.equal([])
    let stopped = false
    const stopping = engine.stop().then(() => {
      stopped = true
    })
    await eventually('the connection to be told', () => closings.length > 0)
    await clock.advance(100)
    expect(stopped).to.equal(false)
    expect(() => {
      engine.start()
    }).to.throw(TypeError, 'stopping')
    closed()
    await Promise.all([stopping, engine.stop()])
    engine.start()
    expect(engine.topology).to.have.length(1)
  })

  it('probes its connections when its addresses have moved, not when more is known of its network', () => {
    let probes = 0
    const { connection, closed } = mute()
    const engine = engineWith()
    engine.start()
    engine.accept({
      ...connection,
      probe: () => {
        probes++
      }
    })
    engine.networkChanged({ moved: false })
    expect(probes).to.equal(0)
    engine.networkChanged()
    expect(probes).to.equal(1)
    closed()
  })

  it('does not wait for unclaimed devices before it dials one that says who it is', async () => {
    const dialled: string[] = []
    const connector = {
      dial: (deviceId: string): Promise<never> => {
        dialled.push(deviceId)
        return new Promise(() => {})
      }
    }
    const engine = engineWith({ connector, localPeerId: 'f'.repeat(64) })
    engine.start()
    for (let n = 0; n < 200; n++) engine.found({ id: `invented ${n}`, displayName: 'x', fresh: true })
    engine.found({ id: peerId, displayName: 'there', fresh: true })
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(5_000)
    await eventually('it to be dialled', () => dialled.includes(peerId))
    expect(dialled).to.have.length(17)
  })

  it('runs nothing when one of its members cannot be', async () => {
    let opened = 0
    const member = {
      endpoint: {
        uid: 'hub',
        description: 'hub',
        open: () => {
          opened++
          return new Promise(() => {})
        }
      }
    } as unknown as MeshMember
    const engine = engineWith({ members: [member, { ...member, type: 'sideways' as 'push' }] })
    expect(() => {
      engine.start()
    }).to.throw(TypeError, 'type must be')
    await new Promise((resolve) => setImmediate(resolve))
    expect(opened).to.equal(0)
    expect(engine.links).to.deep.equal([])
  })
})
