import { createPluginErrors, pluginNames } from '@kithmesh/create-plugin'
import { expect } from 'chai'

describe('the names of a plugin', () => {
  const cases = [
    ['my-provider', 'provider', { shortName: 'my', factory: 'my', typeName: 'My', errorArea: 'MY' }],
    ['@acme/kithmesh-etcd-provider', 'provider', { shortName: 'etcd', factory: 'etcd', typeName: 'Etcd', errorArea: 'ETCD' }],
    ['serial-line', 'transport', { shortName: 'serial-line', factory: 'serialLine', typeName: 'SerialLine', errorArea: 'SERIAL_LINE' }],
    ['kithmesh-transport', 'transport', { shortName: 'custom', factory: 'custom', typeName: 'Custom', errorArea: 'CUSTOM' }],
    [
      '3com.tunnel',
      'transport',
      { shortName: '3com-tunnel', factory: 'transport3comTunnel', typeName: 'Transport3comTunnel', errorArea: '3COM_TUNNEL' }
    ],
    ['default', 'provider', { shortName: 'default', factory: 'providerDefault', typeName: 'Default', errorArea: 'DEFAULT' }]
  ] as const
  for (const [packageName, kind, names] of cases) {
    it(`follow from ${packageName}`, () => {
      expect(pluginNames(packageName, kind)).to.deep.equal({ packageName, ...names })
    })
  }
  it('are identifiers that can be declared', () => {
    for (const name of ['await', 'class', 'let', 'new-provider', 'yield', 'null', '0', 'eval', 'a--b', '@a/b.c_d']) {
      const { factory, typeName } = pluginNames(name, 'provider')
      expect(
        () => new Function(`'use strict'; function ${factory} () {} class ${typeName} {} return [${factory}, ${typeName}]`)
      ).not.to.throw()
    }
  })
  for (const bad of ['', 'My-provider', '../x', '@acme/', '@/x', 'a b', '-a', '.a', '@a/b/c', 'fs', 'node_modules', 'ä', 'x'.repeat(215)]) {
    it(`cannot follow from ${JSON.stringify(bad).slice(0, 30)}`, () => {
      expect(() => pluginNames(bad, 'provider'))
        .to.throw()
        .with.property('code', 'ERR_CREATE_NAME')
    })
  }
  it('have errors with hints', () => {
    for (const { when, hint } of Object.values(createPluginErrors.catalogue)) {
      expect(when).to.match(/\.$/)
      expect(hint).to.match(/\.$/)
    }
  })
})
