import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'

/** Looks, takes every file descriptor that the process may have, and looks again. */
const script = `
import { openSync } from 'node:fs'
import { ownInterfaces } from ${JSON.stringify(new URL('../dist/own-interfaces.js', import.meta.url).href)}
const before = JSON.stringify(ownInterfaces())
let left = true
while (left) try { openSync('/dev/null') } catch { left = false }
console.log(JSON.stringify({ same: JSON.stringify(ownInterfaces()) === before, known: before !== '{}' }))
`

describe('the interfaces of this machine', () => {
  it('stay what they were when no file descriptor is left to look with', async function () {
    if (process.platform === 'win32') this.skip()
    // The limit is one of the child's alone; Node raises the soft one to the hard one, so it is both.
    const command = 'ulimit -n 64 && exec "$0" --input-type=module --eval "$1"'
    const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, script])
    expect(JSON.parse(stdout)).to.deep.equal({ same: true, known: true })
  })
})
