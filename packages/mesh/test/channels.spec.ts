import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { eventually, fastClock } from '@kithmesh/testkit'
import { groupKey, insecureAcceptAnyone } from '@kithmesh/identity'
import { type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

describe('what members of a mesh say to each other beside documents', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('goes over the connection of the documents, both ways, and waits for one', async () => {
    const [left, right] = [await world.peer('left'), await world.peer('right')] as [TestPeer, TestPeer]
    const heard: unknown[] = []
    right.mesh.onChannel((channel) => {
      channel.answer('price', (body) => ({ price: 3, of: String(body) }))
      channel.on('hello', (body) => {
        heard.push(body)
      })
    })
    const early = left.mesh.channel(right.id).emit('hello', { from: 'left' })
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await linked([left, right])
    await early
    expect(heard).to.have.length(1)
    expect(await left.mesh.channel(right.id).request('price', 'pen')).to.deep.equal({ price: 3, of: 'pen' })
    expect(world.peers.flatMap(({ mesh }) => mesh.links)).to.have.length(2)
  })

  it('moves no documents while the program withdraws its trust, and keeps talking', async () => {
    const [left, right] = (await world.started(['left', 'right'])) as [TestPeer, TestPeer]
    await linked([left, right])
    left.database.collection().put('before', {})
    await converged([left, right], 1)
    left.mesh.channel(right.id).demote('being checked')
    await eventually('both to be restricted', () =>
      [linkTo(left, right), linkTo(right, left)].every((link) => link?.state === 'restricted')
    )
    left.database.collection().put('meanwhile', {})
    right.database.collection().put('meanwhile too', {})
    const heard = new Promise((resolve) => {
      right.mesh.channel(left.id).setHandler('message', ({ body }) => {
        resolve(body)
      })
    })
    await left.mesh.channel(right.id).send('still here')
    expect(await heard).to.equal('still here')
    expect([left, right].map(({ database }) => [...database.collection().changes()].length)).to.deep.equal([2, 2])
    left.mesh.channel(right.id).elevate()
    await converged([left, right], 3)
    await linked([left, right])
  })

  it('is connected again after a connection without trust was lost, whoever dials', async () => {
    const clock = fastClock(20)
    const [left, right] = (await world.started(['left', 'right'], { clock, channel: {} })) as [TestPeer, TestPeer]
    await eventually('both to be up to date', () => [left, right].every(({ mesh }) => mesh.links[0]?.state === 'idle'))
    left.mesh.channel(right.id).demote('being checked')
    const restricted = (): boolean => [linkTo(left, right), linkTo(right, left)].every((link) => link?.state === 'restricted')
    await eventually('both to be restricted', restricted)
    left.mesh.channel(right.id).disconnect('a moment')
    await eventually('the connection to be lost', () => linkTo(left, right)?.state !== 'restricted')
    await eventually('both to be connected again', restricted)
    const heard = new Promise((resolve) => {
      right.mesh.channel(left.id).setHandler('message', ({ body }) => {
        resolve(body)
      })
    })
    await left.mesh.channel(right.id).send('still here')
    expect(await heard).to.equal('still here')
    left.mesh.channel(right.id).elevate()
    await linked([left, right])
  })

  it('goes on over a new channel after the program closed the old one, and is heard when it withdraws its trust', async () => {
    const clock = fastClock(20)
    const [left, right] = (await world.started(['left', 'right'], { clock })) as [TestPeer, TestPeer]
    await linked([left, right])
    const closed = left.mesh.channel(right.id)
    closed.close('not needed')
    await eventually('a new channel to be connected', () => left.mesh.channel(right.id).connected)
    // Trust that is withdrawn before both have said that there is any ends the link: it is a refusal then.
    await eventually('both to be up to date', () => [linkTo(left, right), linkTo(right, left)].every((link) => link?.state === 'idle'))
    expect(left.mesh.channel(right.id)).to.not.equal(closed)
    left.mesh.channel(right.id).demote('being checked')
    await eventually('both to be restricted', () =>
      [linkTo(left, right), linkTo(right, left)].every((link) => link?.state === 'restricted')
    )
  })

  it('proves what the certificate does not', async () => {
    const authenticator = groupKey(Buffer.alloc(32, 7))
    const [left, right] = (await world.started(['left', 'right'], { authenticator })) as [TestPeer, TestPeer]
    const stranger = await world.peer('stranger', { authenticator: groupKey(Buffer.alloc(32, 8)) })
    const anyone = await world.peer('anyone', { authenticator: insecureAcceptAnyone() })
    await Promise.all([stranger.mesh.start(), anyone.mesh.start()])
    await linked([left, right])
    left.database.collection().put('secret', {})
    await converged([left, right], 1)
    await eventually('both sides to say why there is no link with the stranger', () =>
      [linkTo(left, stranger), linkTo(stranger, left), linkTo(left, anyone)].every(
        (link) => !isUp(link) && errorCode(link?.error) !== undefined
      )
    )
    for (const { database } of [stranger, anyone]) expect(database.collection().get('secret')).to.equal(undefined)
  })
})
