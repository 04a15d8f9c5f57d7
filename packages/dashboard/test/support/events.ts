import { type ClientRequest, request } from 'node:http'
import type { Dashboard, DashboardEvent } from '@kithmesh/dashboard'
import { eventually } from '@kithmesh/testkit'
import { tokenOf } from './world.ts'

/** A reader of server-sent events. */
export interface Reader {
  readonly status: number
  readonly events: DashboardEvent[]
  /** Comments and other lines that are no events. */
  readonly others: string[]
  readonly ended: boolean
  pause(): void
  of<Type extends DashboardEvent['type']>(type: Type): Extract<DashboardEvent, { readonly type: Type }>['data'][]
  close(): void
}

export async function readEvents(dashboard: Dashboard, { expected = 200 }: { readonly expected?: number } = {}): Promise<Reader> {
  const events: DashboardEvent[] = []
  const others: string[] = []
  let ended = false
  let status = 0
  let pause = (): void => {}
  const outgoing: ClientRequest = request({
    host: '127.0.0.1',
    port: dashboard.port,
    path: '/api/events',
    agent: false,
    headers: { authorization: `Bearer ${tokenOf(dashboard)}` }
  })
  outgoing.on('error', () => {
    ended = true
  })
  outgoing.on('response', (response) => {
    status = response.statusCode ?? 0
    pause = () => {
      response.pause()
      response.socket.pause()
    }
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        const type = lines.find((line) => line.startsWith('event: '))?.slice('event: '.length)
        const data = lines.find((line) => line.startsWith('data: '))?.slice('data: '.length)
        if (type === undefined || data === undefined) others.push(lines.join('\n'))
        else events.push({ type, data: JSON.parse(data) } as DashboardEvent)
      }
    })
    response.on('close', () => {
      ended = true
    })
  })
  outgoing.end()
  await eventually('the events to be answered', () => status !== 0 || ended)
  if (status !== expected) throw new Error(`the events were answered ${status}`)
  return {
    events,
    others,
    get status() {
      return status
    },
    get ended() {
      return ended
    },
    pause: () => {
      pause()
    },
    of: (type) => events.flatMap((event) => (event.type === type ? [event.data as never] : [])),
    close: () => {
      outgoing.destroy()
    }
  }
}
