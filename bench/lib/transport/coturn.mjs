import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { answers, freePorts } from '../../../tests/support/ports.mjs'

export const credentials = { username: 'bench', credential: 'bench' }

export const coturnIsThere = () => spawnSync('turnserver', ['--version'], { stdio: 'ignore' }).error === undefined

/** coturn on loopback, which relays to loopback; `stop` ends it. */
export async function startCoturn() {
  const folder = mkdtempSync(join(tmpdir(), 'kithmesh-coturn-'))
  const [port] = await freePorts(1)
  const child = spawn(
    'turnserver',
    [
      ...['-n', '--log-file=stdout', '--no-cli', '--no-tls', '--no-dtls', '--fingerprint', '--lt-cred-mech', '--realm=bench'],
      ...[
        `--user=${credentials.username}:${credentials.credential}`,
        '--listening-ip=127.0.0.1',
        '--relay-ip=127.0.0.1',
        '--allow-loopback-peers'
      ],
      ...[`--listening-port=${port}`, `--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'db')}`]
    ],
    { stdio: 'ignore', cwd: folder }
  )
  const exit = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGKILL')
    await exit
    rmSync(folder, { recursive: true, force: true })
  }
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries === 100 || child.exitCode !== null) {
      await stop()
      throw new Error('coturn did not start')
    }
    await delay(50)
  }
  return { port, stop }
}
