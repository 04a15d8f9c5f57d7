import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'

describe('the examples of message endpoints', () => {
  const run = async (name: string): Promise<string> => {
    const program = fileURLToPath(new URL(`../../../../examples/message-endpoint/dist/${name}.js`, import.meta.url))
    return (await promisify(execFile)(process.execPath, [program], { timeout: 50_000 })).stdout
  }

  it('replicates over a TCP socket', async () => {
    const output = await run('tcp')
    expect(output).to.contain('21 documents replicated over TCP')
    expect(output).to.contain('shop has 21 documents, warehouse has 21')
    expect(output).to.contain('the connection is stopped')
  })

  it('replicates over a MessageChannel between threads', async () => {
    const output = await run('channel')
    expect(output).to.contain('22 documents replicated over a MessageChannel')
    expect(output).to.contain('the picture has 100000 bytes')
    expect(output).to.contain('main thread has 22 documents, the worker has 22')
  })
})
