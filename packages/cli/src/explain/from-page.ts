import type { DashboardDevice, DashboardState, DeviceReport } from '@kithmesh/dashboard'
import { type ConnectionReport, formatConnectionReport, systemClock } from '@kithmesh/core'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { printable } from '../printable.ts'
import { chooseDevice } from './find-device.ts'

const LIMIT_MS = 5_000
const MAX_BYTES = 8 * 1024 * 1024

/**
 * Asks a running `sync --web` what it knows of a device, and tells it.
 * @param page what `sync --web` printed, with its token; or without, and the token
 * @param wanted a name or the first digits of an id; undefined for all devices
 * @returns the names of those that are not connected
 * @throws ERR_CLI_USAGE, ERR_CLI_NO_PEER, ERR_CLI_PAGE
 */
export async function explainFromPage(
  io: Io,
  { address, token }: { readonly address: string; readonly token: string | undefined },
  wanted: string | undefined,
  json: boolean
): Promise<readonly string[]> {
  const page = pageAt(address, token)
  const state = (await ask(page, '/api/state', io.signal)) as DashboardState
  const { devices } = state
  if (!Array.isArray(devices)) throw cliErrors.create('ERR_CLI_PAGE', `${page.origin} is not the page of a "sync --web"`)
  const chosen = wanted === undefined ? devices : devices.filter(({ id }) => id === choose(devices, wanted))
  if (chosen.length === 0)
    throw cliErrors.create(
      'ERR_CLI_NO_PEER',
      `The page knows no device${wanted === undefined ? '' : ` ${JSON.stringify(printable(wanted))}`}`
    )
  for (const device of chosen) {
    const report = device.hasReport
      ? ((await ask(page, `/api/report?device=${encodeURIComponent(device.id)}`, io.signal)) as DeviceReport)
      : undefined
    if (json) jsonLine(io, { event: 'explained', peerId: device.id, name: device.displayName, connected: isUp(device), device, report })
    else tell(io, device, report)
  }
  return chosen.filter((device) => !isUp(device)).map(({ displayName }) => displayName)
}

interface Page {
  readonly origin: string
  readonly token: string
}

function pageAt(address: string, given: string | undefined): Page {
  try {
    const url = new URL(address)
    const token = given ?? url.searchParams.get('token')
    if (!/^https?:$/.test(url.protocol) || token === null) throw new TypeError('no token')
    return { origin: url.origin, token }
  } catch {
    // The token is a secret: what was given is not repeated.
    throw cliErrors.create('ERR_CLI_USAGE', '--from takes the URL that "sync --web" printed, with its token, or --web-token-file beside it')
  }
}

async function ask({ origin, token }: Page, path: string, signal: AbortSignal): Promise<unknown> {
  const limit = AbortSignal.any([signal, systemClock.timeout(LIMIT_MS, `Asking ${origin}`)])
  try {
    const response = await fetch(`${origin}${path}`, { headers: { authorization: `Bearer ${token}` }, redirect: 'error', signal: limit })
    const text = await textOf(response)
    if (!response.ok) throw new Error(`it answered with status ${response.status}`)
    return JSON.parse(text)
  } catch (cause) {
    signal.throwIfAborted()
    throw cliErrors.create('ERR_CLI_PAGE', `${origin} cannot be asked: ${(cause as Error).message}`, { cause })
  }
}

async function textOf({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += piece.length
    if (length > MAX_BYTES) throw new Error(`it says more than ${MAX_BYTES} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

function choose(devices: readonly DashboardDevice[], wanted: string): string | undefined {
  return chooseDevice(
    devices.map(({ id, displayName }) => ({ id, displayName, peers: [] })),
    wanted
  )?.id
}

function isUp({ state }: DashboardDevice): boolean {
  return state === 'busy' || state === 'idle'
}

function tell(io: Io, device: DashboardDevice, report: DeviceReport | undefined): void {
  const { displayName, id, state, route, error, sightings } = device
  const say = (text: string): void => {
    line(io, printable(text))
  }
  say(`${displayName} (${id}): ${state}${route === null ? '' : `, ${route}`}`)
  for (const { provider, connectable } of sightings) say(`  seen by ${provider}${connectable ? '' : ', not connectable now'}`)
  if (error !== null) say(`  ${error.message}${error.code === null ? '' : ` [${error.code}]`}`)
  if (error !== null && error.hint !== null) say(`      ${error.hint}`)
  if (report === undefined) say('  nothing was tried')
  else for (const text of formatConnectionReport(asReport(report)).split('\n').slice(1)) say(text)
}

/** The page writes null for what is not there. */
function asReport({ attempts, route, ...others }: DeviceReport): ConnectionReport {
  const there = <T>(value: T | null): T | undefined => value ?? undefined
  return {
    ...others,
    route: there(route),
    attempts: attempts.map(({ address, code, message, hint, ...attempt }) => ({
      ...attempt,
      address: there(address),
      code: there(code),
      message: there(message),
      hint: there(hint)
    }))
  }
}
