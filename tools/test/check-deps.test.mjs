import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { checkWorkspace } from '../check-deps.mjs'

const core = { '@kithmesh/core': '^0.0.0' }
const exportsOf = (...entries) => Object.fromEntries(entries.map((entry) => [entry, { default: './dist/index.js' }]))

/** A small workspace without a violation: core, identity (a plugin of core), database, testkit and cli. */
function soundWorkspace() {
  return {
    'package.json': { devDependencies: { chai: '*' } },
    'packages/core/package.json': { name: '@kithmesh/core', exports: exportsOf('.', './plugin'), dependencies: { tsyringe: '*' } },
    'packages/core/src/index.ts': "import { make } from './internal/injector.ts'\nexport { make }\n",
    'packages/core/src/internal/injector.ts': "import { container } from 'tsyringe'\nexport const make = () => container\n",
    'packages/identity/package.json': { name: '@kithmesh/identity', peerDependencies: core, devDependencies: core },
    'packages/identity/src/index.ts':
      "import { defineErrors } from '@kithmesh/core/plugin'\nimport { isIP } from 'node:net'\nexport const x = [defineErrors, isIP]\n",
    'packages/identity/test/identity.spec.ts': "import { expect } from 'chai'\nimport { x } from '@kithmesh/identity'\nexpect(x)\n",
    'packages/database/package.json': {
      name: '@kithmesh/database',
      exports: exportsOf('.', './storage'),
      peerDependencies: core,
      devDependencies: core
    },
    'packages/database/src/index.ts': "import type { Clock } from '@kithmesh/core'\nexport type { Clock }\n",
    'packages/testkit/package.json': {
      name: '@kithmesh/testkit',
      peerDependencies: { ...core, '@kithmesh/database': '^0.0.0' },
      devDependencies: core
    },
    'packages/testkit/src/index.ts':
      "import type { make } from '@kithmesh/core'\nimport { errorCode } from '@kithmesh/core/plugin'\nimport type { Engine } from '@kithmesh/database/storage'\nexport type { Engine, make }\nexport { errorCode }\n",
    'packages/cli/package.json': { name: '@kithmesh/cli', dependencies: core },
    'packages/cli/src/index.ts': "import { make } from '@kithmesh/core'\nconsole.log(make, process.env.HOME)\n",
    'examples/hello/package.json': { name: 'hello', dependencies: { '@kithmesh/identity': '^0.0.0' } },
    'examples/hello/src/main.ts': "import { x } from '@kithmesh/identity'\nconsole.log(x)\n"
  }
}

const folders = []

function check(changes = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'kithmesh-rules-'))
  folders.push(directory)
  for (const [file, content] of Object.entries({ ...soundWorkspace(), ...changes })) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return checkWorkspace(directory)
}

/** Each row breaks one rule: what is broken, the files that differ from the sound workspace, the rule and where it must be reported. */
const broken = [
  [
    'core importing a package above it',
    { 'packages/core/src/up.ts': "import type { x } from '@kithmesh/identity'\n" },
    'arrow',
    'packages/core/src/up.ts:1'
  ],
  [
    'a development dependency of the checkout that nothing uses',
    { 'package.json': { devDependencies: { chai: '*', sinon: '*' } } },
    'unused',
    'package.json'
  ],
  [
    'a plugin importing another plugin',
    { 'packages/identity/src/side.ts': "\nexport { y } from '@kithmesh/database'\n" },
    'arrow',
    'packages/identity/src/side.ts:2'
  ],
  [
    'an arrow broken by a dynamic import',
    { 'packages/identity/src/side.ts': "export const y = () => import('@kithmesh/database')\n" },
    'arrow',
    'packages/identity/src/side.ts:1'
  ],
  [
    'the testkit using what core does',
    { 'packages/testkit/src/more.ts': "import { make } from '@kithmesh/core'\nmake()\n" },
    'arrow',
    'packages/testkit/src/more.ts:1'
  ],
  [
    'the testkit taking all of core',
    { 'packages/testkit/src/more.ts': "import * as all from '@kithmesh/core'\nexport { all }\n" },
    'arrow',
    'packages/testkit/src/more.ts:1'
  ],
  [
    'the testkit importing values of the storage entry',
    { 'packages/testkit/src/more.ts': "import { open } from '@kithmesh/database/storage'\nopen()\n" },
    'arrow',
    'packages/testkit/src/more.ts:1'
  ],
  [
    'a package importing itself by name',
    { 'packages/identity/src/self.ts': "import { x } from '@kithmesh/identity'\nx\n" },
    'arrow',
    'packages/identity/src/self.ts:1'
  ],
  [
    'a package nobody listed',
    {
      'packages/radio/package.json': { name: '@kithmesh/radio', peerDependencies: core, devDependencies: core },
      'packages/radio/src/index.ts': "import { make } from '@kithmesh/core'\nmake()\n"
    },
    'arrow',
    'packages/radio/package.json'
  ],
  [
    'core as a dependency of a plugin',
    { 'packages/identity/package.json': { name: '@kithmesh/identity', dependencies: core, peerDependencies: core, devDependencies: core } },
    'core-peer',
    'packages/identity/package.json'
  ],
  [
    'a plugin without core for its build',
    { 'packages/identity/package.json': { name: '@kithmesh/identity', peerDependencies: core } },
    'core-peer',
    'packages/identity/package.json'
  ],
  [
    'a second file importing tsyringe',
    { 'packages/core/src/other.ts': "import { inject } from 'tsyringe'\ninject()\n" },
    'importer',
    'packages/core/src/other.ts:1'
  ],
  [
    'a library reading the environment',
    { 'packages/identity/src/env.ts': 'export const home = process.env.HOME\n' },
    'environment',
    'packages/identity/src/env.ts:1'
  ],
  [
    'a library importing the environment',
    { 'packages/identity/src/env.ts': "import { env } from 'node:process'\nenv\n" },
    'environment',
    'packages/identity/src/env.ts:1'
  ],
  ['a library printing', { 'packages/identity/src/print.ts': "console.error('x')\n" }, 'console', 'packages/identity/src/print.ts:1'],
  [
    'sockets opened in a file that should compute',
    { 'packages/identity/src/codec.ts': "import { connect } from 'node:net'\nconnect(1)\n" },
    'socket-file',
    'packages/identity/src/codec.ts:1'
  ],
  [
    'sockets opened through the old module name',
    { 'packages/identity/src/codec.ts': "import dgram from 'dgram'\ndgram\n" },
    'socket-file',
    'packages/identity/src/codec.ts:1'
  ],
  [
    'sockets opened through require',
    { 'packages/identity/src/codec.ts': "export const tls = require('node:tls')\n" },
    'socket-file',
    'packages/identity/src/codec.ts:1'
  ],
  ['export star', { 'packages/identity/src/all.ts': "export * from './index.ts'\n" }, 'export-star', 'packages/identity/src/all.ts:1'],
  ['a default export', { 'packages/identity/src/d.ts': 'export default 1\n' }, 'default-export', 'packages/identity/src/d.ts:1'],
  [
    'a default export by renaming',
    { 'packages/identity/src/d.ts': 'const a = 1\nexport { a as default }\n' },
    'default-export',
    'packages/identity/src/d.ts:2'
  ],
  [
    'files in a circle',
    {
      'packages/identity/src/a.ts': "import { b } from './b.ts'\nexport const a = b\n",
      'packages/identity/src/b.ts': "import { a } from './a.ts'\nexport const b = a\n"
    },
    'cycle',
    'packages/identity/src/b.ts:1'
  ],
  [
    'a relative import that leaves the package',
    { 'packages/identity/src/out.ts': "import { make } from '../../core/src/index.ts'\nmake()\n" },
    'relative',
    'packages/identity/src/out.ts:1'
  ],
  [
    'a deep import',
    { 'packages/identity/src/deep.ts': "import { make } from '@kithmesh/core/dist/index.js'\nmake()\n" },
    'entry',
    'packages/identity/src/deep.ts:1'
  ],
  [
    'an import of a package that is not there',
    { 'examples/hello/src/b.ts': "import '@kithmesh/nowhere'\n" },
    'entry',
    'examples/hello/src/b.ts:1'
  ],
  [
    'an import that package.json does not declare',
    { 'packages/identity/src/ws.ts': "import { WebSocket } from 'ws'\nWebSocket\n" },
    'undeclared',
    'packages/identity/src/ws.ts:1'
  ],
  [
    'a source importing a tool of the tests',
    { 'packages/identity/src/t.ts': "import { expect } from 'chai'\nexpect\n" },
    'undeclared',
    'packages/identity/src/t.ts:1'
  ],
  [
    'an example importing what it does not declare',
    { 'examples/hello/src/b.ts': "import { make } from '@kithmesh/core'\nmake()\n" },
    'undeclared',
    'examples/hello/src/b.ts:1'
  ],
  [
    'a dependency nobody imports',
    {
      'packages/core/package.json': {
        name: '@kithmesh/core',
        exports: exportsOf('.', './plugin'),
        dependencies: { tsyringe: '*', xstate: '*' }
      }
    },
    'unused',
    'packages/core/package.json'
  ]
]

/** Changes that break no rule. */
const sound = [
  [
    'the simulator of the testkit running a database',
    { 'packages/testkit/src/sim/peer.ts': "import { open } from '@kithmesh/database'\nopen()\n" }
  ]
]

describe('the dependency rules', () => {
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
  })

  it('find nothing wrong with a sound workspace', () => {
    expect(check()).to.deep.equal([])
  })

  for (const [what, changes, rule, place] of broken) {
    it(`report ${what}`, () => {
      const found = check(changes).map(
        (violation) => `${violation.rule} ${violation.file}${violation.line === undefined ? '' : `:${violation.line}`}`
      )
      expect(found).to.include(`${rule} ${place}`)
    })
  }

  for (const [what, changes] of sound) {
    it(`allow ${what}`, () => {
      expect(check(changes)).to.deep.equal([])
    })
  }

  it('read neither comments nor text', () => {
    const text =
      "// import 'ws'\n/* export default 1 */\nexport const a = \"export * from 'x'\"\nexport const b = `process.env ${a} console.log(1)`\nexport const c = /'console.log(1)/\n"
    expect(check({ 'packages/identity/src/quiet.ts': text })).to.deep.equal([])
  })

  it('let types be imported in a circle, since nothing of them is left at run time', () => {
    const changes = {
      'packages/identity/src/a.ts': "import type { B } from './b.ts'\nexport interface A { b: B }\n",
      'packages/identity/src/b.ts': "import { type A } from './a.ts'\nexport interface B { a: A }\n"
    }
    expect(check(changes)).to.deep.equal([])
  })
})
