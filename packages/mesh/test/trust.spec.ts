import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode, isKithmeshError } from '@kithmesh/core'
import { createIdentity, insecureAcceptAnyone, pinnedPeers, secureClient } from '@kithmesh/identity'
import { eventually, fastClock } from '@kithmesh/testkit'
import { openWebSocket } from '@kithmesh/websocket'
import { type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

const blip = ['BLIP_3+CBMobile_3']

describe('whom a mesh lets in', () => {
  let world: World
  const sockets: Duplex[] = []
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await world.end()
  })

  async function tcp(peer: TestPeer): Promise<Socket> {
    const socket = connect(peer.mesh.port ?? 0, '127.0.0.1')
    socket.on('error', () => {})
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }

  function errorsOf(peer: TestPeer): (string | undefined)[] {
    return peer.mesh.links.map(({ error }) => errorCode(error))
  }

  it('says on both sides why there is no link when one does not accept the other, whoever dials', async () => {
    const stranger = await createIdentity({ commonName: 'stranger' })
    const clock = fastClock(10)
    for (let round = 0; round < 4; round++) {
      // Fresh identities decide anew who dials.
      const open = await world.peer(`open ${round}`, { clock })
      const closed = await world.peer(`closed ${round}`, { clock, authenticator: pinnedPeers([stranger.peerId]) })
      await Promise.all([open.mesh.start(), closed.mesh.start()])
      await eventually('both to know', () => errorsOf(open)[0] === 'ERR_MESH_REFUSED' && errorsOf(closed)[0] === 'ERR_IDENTITY_UNTRUSTED')
      const error = linkTo(open, closed)?.error
      if (!isKithmeshError(error)) throw new Error('no error of ours')
      expect(error.hint).to.not.equal('')
      expect(error.details).to.include({ localPeerId: open.id, peerId: closed.id })
      expect([isUp(linkTo(open, closed)), isUp(linkTo(closed, open))]).to.deep.equal([false, false])
      await world.leave(open)
      await world.leave(closed)
    }
  })

  it('does not try in a hot loop where it was refused, and links up when it is accepted after all', async () => {
    let asked = 0
    let welcome = false
    const clock = fastClock(60)
    const authenticator = {
      name: 'moody',
      check: () => {
        asked++
        return welcome
      }
    }
    const peers = [await world.peer('left', { authenticator, clock }), await world.peer('right', { authenticator, clock })]
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await eventually('both to be refused', () => peers.every((peer) => errorsOf(peer)[0] !== undefined))
    const started = clock.monotonic()
    await clock.sleep(60_000)
    const minutes = (clock.monotonic() - started) / 60_000
    expect(asked).to.be.lessThan(16 + 16 * minutes)
    welcome = true
    await linked(peers)
  })

  it('refuses a device that proves another identity than it claims', async () => {
    const [victim] = await world.started(['victim'])
    const claimed = await createIdentity({ commonName: 'claimed' })
    // Somebody announces another's peer id with the victim's address.
    const service = world.medium.services[0]!
    world.medium.announce({
      ...service,
      displayName: 'impostor',
      peerId: claimed.peerId,
      metadata: new Map([['_PID', Buffer.from(claimed.peerId)]])
    })
    const clock = fastClock(10)
    const peers = [await world.peer('one', { clock }), await world.peer('two', { clock })]
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await linked([victim!, ...peers])
    await eventually('both to notice, also the one that waited for a call first', () =>
      peers.every(
        ({ mesh }) => errorCode(mesh.links.find(({ deviceId }) => deviceId === claimed.peerId)?.error) === 'ERR_IDENTITY_PEER_MISMATCH'
      )
    )
  })

  it('is not disturbed by connections that stall, talk nonsense or never end', async () => {
    const clock = fastClock(10)
    const [left] = await world.started(['left'], { clock })
    for (let n = 0; n < 150; n++) await tcp(left!)
    const noise = await tcp(left!)
    noise.write(Buffer.alloc(4096, 0x5a))
    const http = await tcp(left!)
    http.write('GET /db/_blipsync HTTP/1.1\r\nHost: x\r\n\r\n')
    const half = await tcp(left!)
    half.write(Buffer.from('1603010200010001fc0303', 'hex'))
    // Through TLS with a certificate of its own, and silent from there.
    const mallory = await createIdentity({ commonName: 'mallory' })
    const { stream } = await secureClient(await tcp(left!), { identity: mallory, authenticator: insecureAcceptAnyone() })
    stream.on('error', () => {})
    stream.resume()
    const [right] = await world.started(['right'])
    left!.database.collection().put('hello', {})
    await converged([left!, right!], 1)
    await linked([left!, right!])
    await eventually('all of them to be cut', () => [...sockets, stream].every((socket) => socket.destroyed))
    expect(left!.mesh.links).to.have.length(1)
  })

  it('lets nobody in without a certificate, to another path, or with a protocol it does not speak', async () => {
    const friend = await createIdentity({ commonName: 'friend' })
    const [host] = await world.started(['host'], { authenticator: pinnedPeers([friend.peerId]) })
    const attempt = async (identity: typeof friend | undefined, path: string, protocols: readonly string[]): Promise<unknown> => {
      try {
        const { stream } = await secureClient(await tcp(host!), {
          authenticator: insecureAcceptAnyone(),
          ...(identity === undefined ? {} : { identity })
        })
        sockets.push(stream)
        const { socket } = await openWebSocket(stream, { url: `wss://host.invalid${path}`, protocols })
        return socket.protocol
      } catch (error) {
        return isKithmeshError(error, 'ERR_WS_HTTP') ? error.details['status'] : errorCode(error)
      }
    }
    expect(await attempt(undefined, '/db/_blipsync', blip)).to.be.oneOf(['ERR_WS_HANDSHAKE', 'ERR_IDENTITY_HANDSHAKE'])
    expect(await attempt(await createIdentity({ commonName: 'enemy' }), '/db/_blipsync', blip)).to.equal(403)
    expect(await attempt(await createIdentity({ commonName: 'enemy' }), '/other/_blipsync', blip)).to.equal(403)
    expect(await attempt(host!.identity, '/db/_blipsync', blip)).to.equal(403)
    expect(await attempt(friend, '/other/_blipsync', blip)).to.equal(404)
    expect(await attempt(friend, '/db/_blipsync', ['chat'])).to.equal(400)
    expect(host!.mesh.links).to.deep.equal([])
    expect(await attempt(friend, '/db/_blipsync', blip)).to.equal(blip[0])
    await eventually('the friend to be listed', () => host!.mesh.links[0]?.deviceId === friend.peerId)
    expect(host!.mesh.links[0]).to.deep.include({ direction: 'incoming', displayName: friend.peerId.slice(0, 8) })
    sockets.at(-1)?.destroy()
    await eventually('it to be forgotten', () => host!.mesh.links.length === 0)
  })

  it('survives connections that are reset at any moment', async () => {
    const [host] = await world.started(['host'])
    for (let n = 0; n < 20; n++) {
      const socket = await tcp(host!)
      for (let turn = 0; turn < n; turn++) await new Promise((resolve) => setImmediate(resolve))
      if (n % 2 === 0) socket.resetAndDestroy()
      else
        secureClient(socket, { identity: host!.identity, authenticator: insecureAcceptAnyone() }).then(
          ({ stream }) => {
            stream.on('error', () => {})
          },
          () => {}
        )
      if (n % 4 === 1)
        setImmediate(() => {
          socket.resetAndDestroy()
        })
    }
    const [other] = await world.started(['other'])
    await linked([host!, other!])
  })
})
