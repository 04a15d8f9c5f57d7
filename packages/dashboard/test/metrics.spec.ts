import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import { eventually } from '@kithmesh/testkit'
import { exposition } from '../dist/metrics/exposition.js'
import { World, ask } from './support/world.ts'

interface Family {
  readonly type: string
  readonly help: string
  readonly samples: Map<string, number>
}

/** Reads the text format, version 0.0.4, strictly: families in one piece, help and type first, no sample twice. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>()
  expect(text.endsWith('\n') || text === '').to.equal(true)
  let current: string | undefined
  let help: string | undefined
  for (const line of text.split('\n').slice(0, -1)) {
    const [, helpName, helpText] = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line) ?? []
    const [, typeName, type] = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)$/.exec(line) ?? []
    if (helpName !== undefined) {
      expect(families.has(helpName), `${helpName} twice`).to.equal(false)
      current = helpName
      help = helpText
    } else if (typeName !== undefined) {
      expect(typeName).to.equal(current)
      families.set(typeName, { type: type ?? '', help: help ?? '', samples: new Map() })
    } else {
      const [, name, labels = '', value] =
        /^([a-zA-Z_:][a-zA-Z0-9_:]*)((?:\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*")*\})?) (-?\d+(?:\.\d+)?(?:e[+-]\d+)?|NaN|[+-]Inf)$/.exec(
          line
        ) ?? []
      expect(name, line).to.equal(current)
      const { samples } = families.get(name ?? '') as Family
      expect(samples.has(labels), `${line} twice`).to.equal(false)
      samples.set(labels, Number(value))
    }
  }
  return families
}

describe('the metrics of a dashboard', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('are in the text format of Prometheus, and count what happened', async () => {
    const [shop, warehouse] = await world.pair()
    const dashboard = await world.dashboard(shop)
    warehouse.database.collection().putMany(Array.from({ length: 5 }, (_, n) => ({ id: `doc-${n}`, body: { n } })))
    await eventually('the documents to arrive', () => shop.mesh.statistics.documentsIn === 5)
    const { text, headers } = await ask(dashboard, '/metrics')
    expect(headers['content-type']).to.equal('text/plain; version=0.0.4; charset=utf-8')
    const families = parse(text)
    const value = (name: string, labels = ''): number | undefined => families.get(name)?.samples.get(labels)
    expect(value('kithmesh_mesh_started')).to.equal(1)
    expect(value('kithmesh_documents_total', '{direction="in"}')).to.equal(5)
    expect(value('kithmesh_document_bytes_total', '{direction="in"}')).to.be.greaterThan(0)
    expect([...(families.get('kithmesh_links')?.samples.values() ?? [])].reduce((a, b) => a + b, 0)).to.equal(1)
    expect([...(families.get('kithmesh_connections')?.samples ?? [])]).to.deep.equal([
      [`{transport="direct",direction="${shop.mesh.links[0]?.direction ?? ''}",quality="direct"}`, 1]
    ])
    const device = warehouse.identity.peerId.slice(0, 16)
    expect(value('kithmesh_device_documents_total', `{device="${device}",direction="in"}`)).to.equal(5)
    expect(value('kithmesh_provider_up', `{provider="${shop.discovery.providers[0] ?? ''}",mode="browse"}`)).to.equal(1)
    expect(value('kithmesh_collection_documents', '{collection="_default"}')).to.equal(5)
    for (const [name, { type, help, samples }] of families) {
      expect(name).to.match(/^kithmesh_/)
      expect(name.endsWith('_total'), name).to.equal(type === 'counter')
      expect(help).to.match(/\.$|; always 1\.$/)
      expect(samples.size).to.be.at.most(200)
    }
  })

  it('are those that are documented, with those labels, and no others', async () => {
    const [shop, warehouse] = await world.pair()
    const dashboard = await world.dashboard(shop)
    warehouse.database.collection().put('doc', {})
    await eventually('the document to arrive', () => shop.mesh.statistics.documentsIn === 1)
    const families = parse((await ask(dashboard, '/metrics')).text)
    const told = [...families].map(([name, { type, samples }]) => {
      const labels = [...samples.keys()][0]?.matchAll(/(\w+)="/g) ?? []
      return `${name} ${type} ${[...labels].map(([, label]) => label).join(', ')}`
    })
    const page = readFileSync(new URL('../../../docs/dashboard.md', import.meta.url), 'utf8')
    const documented = [...page.matchAll(/^\| `(kithmesh_\w+)` \| (\w+) \| (.*?) \|/gm)].map(([, name, type, labels = '']) => {
      const names = labels.split(/, (?=`[a-z_]+`(?:[:,]|$))/).flatMap((each) => /^`(\w+)`/.exec(each)?.[1] ?? [])
      return `${name} ${type} ${names.filter((label) => !['in', 'out', 'true', 'false', 'browse', 'publish', 'connected', 'failed', 'us', 'them'].includes(label)).join(', ')}`
    })
    expect(documented.length).to.be.greaterThan(15)
    expect(documented).to.have.members(told)
  })

  it('are there while the mesh is stopped', async () => {
    const dashboard = await world.dashboard(await world.peer('Shop'))
    const families = parse((await ask(dashboard, '/metrics')).text)
    expect(families.get('kithmesh_mesh_started')?.samples.get('')).to.equal(0)
    expect([...(families.get('kithmesh_links')?.samples.values() ?? [])].every((value) => value === 0)).to.equal(true)
  })

  it('have a bounded number of values for each label, whatever the database is like, and no names of others', async () => {
    const shop = await world.peer('Shop "quoted" \\ and\nbroken')
    for (let n = 0; n < 120; n++) shop.database.collection(`collection-${n}`, 'scope', { create: true })
    const dashboard = await world.dashboard(shop)
    const { text } = await ask(dashboard, '/metrics')
    const families = parse(text)
    expect(families.get('kithmesh_collection_documents')?.samples.size).to.equal(50)
    expect([...(families.get('kithmesh_device_info')?.samples.keys() ?? [])][0]).to.include('name="Shop \\"quoted\\" \\\\ and\\nbroken"')
  })

  it('are written so that they can be read back, whatever is in a label', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.double(), (text, value) => {
        const samples = [{ labels: { label: text }, value }]
        const families = parse(exposition([{ name: 'kithmesh_test', type: 'gauge', help: text.replace(/\r/g, ''), samples }]))
        const [[labels, read]] = [...(families.get('kithmesh_test')?.samples ?? [])] as [[string, number]]
        const unescaped = labels.slice('{label="'.length, -2).replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
        expect(unescaped).to.equal(text)
        if (Number.isFinite(value)) expect(read === value).to.equal(true)
      })
    )
  })
})
