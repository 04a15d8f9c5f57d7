import { expect } from 'chai'
import fc from 'fast-check'
import type { CollectionSummary, Dashboard, DocumentDetail, DocumentPage } from '@kithmesh/dashboard'
import { eventually } from '@kithmesh/testkit'
import { blobsOf } from '../dist/documents/body-blobs.js'
import { type TestPeer, World, ask, get } from './support/world.ts'

describe('the documents that a dashboard shows', () => {
  let world: World
  let peer: TestPeer
  let dashboard: Dashboard
  beforeEach(async () => {
    world = new World()
    peer = await world.peer('Shop')
    dashboard = await world.dashboard(peer)
  })
  afterEach(async () => {
    await world.end()
  })
  const query = (parameters: Record<string, string>): string => new URLSearchParams(parameters).toString()
  const status = async (path: string): Promise<number> => (await ask(dashboard, path)).status

  it('come in pages, in order, all of them and each once', async () => {
    const collection = peer.database.collection('items', 'shop', { create: true })
    const ids = Array.from({ length: 130 }, (_, n) => `item-${String(n).padStart(3, '0')}`)
    collection.putMany(ids.map((id) => ({ id, body: { id } })))
    collection.remove('item-007')
    const seen: string[] = []
    let after: string | null = ''
    let pages = 0
    while (after !== null) {
      const page: DocumentPage = await get(dashboard, `/api/documents?${query({ collection: 'shop.items', after, limit: '25' })}`)
      expect(page.collection).to.equal('shop.items')
      seen.push(...page.documents.map(({ id }) => id))
      after = page.next
      pages++
    }
    expect(seen).to.deep.equal(ids.filter((id) => id !== 'item-007'))
    expect(pages).to.equal(6)
    const collections = await get<CollectionSummary[]>(dashboard, '/api/collections')
    expect(collections.map(({ collection: path, documents }) => [path, documents])).to.deep.include(['shop.items', 129])
    expect((await get<DocumentPage>(dashboard, '/api/documents')).documents).to.deep.equal([])
  })

  it('have their body as it is stored, their size, and what they mention', async () => {
    const picture = await peer.database.blobs.saveBlob(Buffer.from('picture'), 'image/png')
    const other = await peer.database.blobs.saveBlob(Buffer.from('<script>alert(1)</script>'), 'text/html')
    const body = `{"n":12345678901234567890,"picture":${JSON.stringify(picture)},"pages":[{"scan":${JSON.stringify(other)}}]}`
    peer.database.collection().put('doc', body)
    const { text } = await ask(dashboard, '/api/document?id=doc')
    expect(text).to.include('12345678901234567890')
    const detail = JSON.parse(text) as DocumentDetail
    expect(detail).to.deep.include({
      collection: '_default',
      id: 'doc',
      deleted: false,
      size: body.length,
      tooLarge: false,
      conflict: null
    })
    expect(detail.blobs.map(({ path, picture: shown, present }) => ({ path, shown, present }))).to.deep.equal([
      { path: 'picture', shown: true, present: true },
      { path: 'pages.0.scan', shown: false, present: true }
    ])
    const shown = await ask(dashboard, detail.blobs[0]?.url ?? '')
    expect([shown.text, shown.headers['content-type'], shown.headers['content-disposition']]).to.deep.equal([
      'picture',
      'image/png',
      'inline'
    ])
    const download = await ask(dashboard, detail.blobs[1]?.url ?? '')
    expect(download.headers['content-type']).to.equal('application/octet-stream')
    expect(download.headers['content-disposition']).to.match(/^attachment; filename="sha1-[A-Za-z0-9_-]+"$/)
    expect(download.headers['content-security-policy']).to.include('sandbox')
  })

  it('lend their blobs no kind that runs something, whatever is asked for', async () => {
    const { digest } = await peer.database.blobs.saveBlob(Buffer.from('<svg onload="alert(1)"/>'), 'image/svg+xml')
    for (const type of ['image/svg+xml', 'text/html', 'application/pdf', 'image/png, text/html', 'IMAGE/PNG', ''])
      expect((await ask(dashboard, `/api/blob?${query({ digest, type })}`)).headers['content-type'], type).to.equal(
        'application/octet-stream'
      )
    const head = await ask(dashboard, `/api/blob?${query({ digest })}`, { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], head.body.length]).to.deep.equal([200, '24', 0])
  })

  it('may have large blobs, which are sent piece by piece, also to those who leave in the middle', async () => {
    const content = Buffer.alloc(8 * 1024 * 1024, 'large')
    const { digest } = await peer.database.blobs.saveBlob(content)
    expect((await ask(dashboard, `/api/blob?${query({ digest })}`)).body.equals(content)).to.equal(true)
    const { request } = await import('node:http')
    await new Promise<void>((resolve) => {
      const outgoing = request({
        host: '127.0.0.1',
        port: dashboard.port,
        path: `/api/blob?${query({ digest })}`,
        headers: { authorization: `Bearer ${new URL(dashboard.url ?? '').searchParams.get('token') ?? ''}` }
      })
      outgoing.on('error', () => {})
      outgoing.on('response', (response) => {
        response.on('error', () => {})
        response.once('data', () => {
          outgoing.destroy()
          resolve()
        })
      })
      outgoing.end()
    })
    expect(await status('/api/state')).to.equal(200)
    expect(peer.logger.entries.filter(({ message }) => message.includes('a request failed'))).to.deep.equal([])
  })

  it('may be in conflict, which has both sides', async () => {
    const [shop, warehouse] = await world.pair({
      conflictResolver: () => {
        throw new Error('cannot decide')
      }
    })
    const dashboards = await Promise.all([world.dashboard(shop), world.dashboard(warehouse)])
    await Promise.all([shop.mesh.stop(), warehouse.mesh.stop()])
    shop.database.collection().put('doc', { by: 'shop' })
    warehouse.database.collection().put('doc', { by: 'warehouse' })
    await Promise.all([shop.mesh.start(), warehouse.mesh.start()])
    let detail: DocumentDetail | undefined
    await eventually('the conflict to be shown', async () => {
      for (const each of dashboards) {
        const asked = await get<DocumentDetail>(each, '/api/document?id=doc')
        if (asked.conflict !== null) detail = asked
      }
      return detail !== undefined
    })
    const bodies = [detail?.conflict?.local.body, detail?.conflict?.remote.body]
    expect(bodies).to.have.deep.members([{ by: 'shop' }, { by: 'warehouse' }])
    expect([detail?.conflict?.local.revision, detail?.conflict?.remote.revision]).to.include(detail?.revision)
  })

  it('are shown whatever they are called and whatever is in them', async () => {
    const ids = [
      '<img src=x onerror=alert(1)>',
      '../../etc/passwd',
      'a\u0000b',
      'a\nevent: state\ndata: {}',
      '\u202Egnp.exe',
      '"; DROP TABLE docs; --',
      '🦊'.repeat(50),
      '%2e%2e',
      ' ',
      '&collection=x'
    ]
    const collection = peer.database.collection()
    for (const id of ids) collection.put(id, { '</script>': id, nested: { ['__proto__']: id } })
    const page = await get<DocumentPage>(dashboard, '/api/documents?limit=200')
    expect(page.documents.map(({ id }) => id)).to.have.members(ids)
    for (const id of ids) {
      const detail = await get<DocumentDetail>(dashboard, `/api/document?${query({ id })}`)
      expect(detail.id).to.equal(id)
      expect((detail.body as Record<string, unknown>)['</script>']).to.equal(id)
    }
  })

  it('may be large: then there is a beginning to see', async () => {
    const collection = peer.database.collection()
    collection.put('large', { text: 'é'.repeat(1024 * 1024) })
    const [document] = (await get<DocumentPage>(dashboard, '/api/documents')).documents
    expect(document?.preview).to.have.length.at.most(201)
    expect(document?.size).to.be.greaterThan(2 * 1024 * 1024)
    const detail = await get<DocumentDetail>(dashboard, '/api/document?id=large')
    expect(detail).to.deep.include({ tooLarge: true, body: null, blobs: [] })
    for (let n = 0; n < 12; n++) collection.put(`large-${n}`, { text: 'x'.repeat(4 * 1024 * 1024) })
    const page = await get<DocumentPage>(dashboard, '/api/documents?limit=200')
    expect(page.documents.length).to.be.lessThan(13)
    const rest = await get<DocumentPage>(dashboard, `/api/documents?${query({ after: page.next ?? '', limit: '200' })}`)
    expect(page.documents.length + rest.documents.length).to.equal(13)
    expect(rest.next).to.equal(null)
  })

  it('are not there when they are not, and nothing is made by asking', async () => {
    for (const path of [
      '/api/document?id=nothing',
      '/api/document?id=x&collection=nothing',
      '/api/documents?collection=nothing.there',
      `/api/blob?${query({ digest: 'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=' })}`,
      '/api/report?device=nobody',
      '/api/report'
    ])
      expect(await status(path), path).to.equal(404)
    for (const path of [
      '/api/document',
      '/api/documents?limit=0',
      '/api/documents?limit=201',
      '/api/documents?limit=1e2',
      '/api/documents?collection=a.b.c',
      '/api/documents?collection=',
      `/api/documents?after=${'x'.repeat(1_001)}`,
      '/api/blob',
      '/api/blob?digest=sha1-..%2F..%2Fetc%2Fpasswd',
      '/api/blob?digest=..%2F..%2Fetc%2Fpasswd'
    ])
      expect(await status(path), path).to.equal(400)
    expect(peer.database.collections()).to.deep.equal([])
  })

  it('answers with an error, and goes on, when the database is closed', async () => {
    await peer.database.close()
    const { status: failed, text } = await ask(dashboard, '/api/documents')
    expect(failed).to.equal(500)
    expect(text).to.include('ERR_DASHBOARD_FAILED')
    expect(text).not.to.include('ERR_DB')
    expect((await ask(dashboard, '/main.js')).status).to.equal(200)
  })

  it('are searched for blobs within bounds', () => {
    const broken = { scan: { '@type': 'blob', digest: 'sha1-../../etc/passwd', content_type: 'image/png', length: 'long' } }
    expect(blobsOf(broken, () => true)).to.deep.equal([
      { digest: 'sha1-../../etc/passwd', length: null, contentType: 'image/png', path: 'scan', url: '', picture: false, present: false }
    ])
    let deep: unknown = { '@type': 'blob', digest: 'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }
    for (let n = 0; n < 100_000; n++) deep = [deep]
    expect(blobsOf(deep, () => true)).to.deep.equal([])
    const many = Array.from({ length: 1_000 }, () => ({ '@type': 'blob', digest: 'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }))
    expect(blobsOf(many, () => true)).to.have.length(100)
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(blobsOf(value, () => true)).to.be.an('array')
      })
    )
  })
})
