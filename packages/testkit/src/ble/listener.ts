import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { VirtualAir } from './air.ts'
import type { Controller } from './controller.ts'
import type { ControllerOptions, VirtualController } from './controller-types.ts'
import { airErrors } from './errors.ts'
import { H4Splitter } from './h4-splitter.ts'

/** Bytes that may wait for a host. */
const MOST_UNREAD = 16 * 1024 * 1024

export interface AirServerOptions {
  /** 0 picks one. @default 0 */
  readonly port?: number
  /** @default '127.0.0.1' */
  readonly host?: string
  /** What the controllers are like. With `address`, all connections to this port get that one controller, one after the other. */
  readonly controller?: ControllerOptions
  /** Connections at a time; more are closed at once. @default 64 */
  readonly maxControllers?: number
  /** A host connected. */
  readonly joined?: (controller: VirtualController) => void
  /** Its connection ended; `error` says why, when it did not just close. */
  readonly left?: (controller: VirtualController, error: Error | undefined) => void
}

/** An air that other processes share. */
export interface AirServer {
  readonly host: string
  readonly port: number
  /** Cuts all connections and frees the port. The air itself lives on. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Lets hosts in other processes have controllers on an air: every connection is a controller of its own and speaks plain H4, whole packets one
 * after the other, as foreign hosts expect it of `tcp-client:HOST:PORT`. Who does not speak H4 loses the connection and disturbs nobody.
 * @throws ERR_AIR_LISTEN when the port cannot be had
 *
 * @example
 * const server = await serveAir(air, { port: 7300 })
 * console.log(`${server.host}:${server.port}`)
 */
export async function serveAir(air: VirtualAir, options: AirServerOptions = {}): Promise<AirServer> {
  const { port = 0, host = '127.0.0.1', maxControllers = 64 } = options
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    const controller = sockets.size < maxControllers ? tryController(air, options.controller) : undefined
    if (controller === undefined) {
      socket.on('error', () => {}).destroy()
      return
    }
    sockets.add(socket)
    attach(socket, controller, (error) => {
      sockets.delete(socket)
      air.remove(controller)
      options.left?.(controller, error)
    })
    options.joined?.(controller)
  })
  await listening(server, port, host)
  const { port: own, address } = server.address() as AddressInfo
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve()
      })
      for (const socket of sockets) socket.destroy()
    })
  return { host: address, port: own, close, [Symbol.asyncDispose]: close }
}

/** A controller for a connection, unless its address is in use or the air is closed. */
function tryController(air: VirtualAir, options: ControllerOptions | undefined): Controller | undefined {
  try {
    return air.controller(options) as Controller
  } catch {
    return undefined
  }
}

function attach(socket: Socket, controller: Controller, ended: (error: Error | undefined) => void): void {
  const splitter = new H4Splitter()
  let failure: Error | undefined
  let corked = false
  const port = controller.attach(
    {
      packet: (packet) => {
        if (!corked) {
          corked = true
          socket.cork()
          setImmediate(() => {
            corked = false
            socket.uncork()
          })
        }
        // A host that does not read is not read from either, so that its own answers cannot pile up here; what others make its controller tell it is counted.
        if (!socket.write(packet)) socket.pause()
        if (socket.writableLength > MOST_UNREAD)
          socket.destroy(new Error(`the host does not read: ${socket.writableLength} bytes wait for it`))
      },
      closed: () => {
        socket.destroy()
      }
    },
    () => !socket.writableNeedDrain
  )
  socket.on('drain', () => {
    socket.resume()
    controller.resume()
  })
  socket.on('data', (chunk: Buffer) => {
    try {
      splitter.push(chunk, (packet) => {
        port.send(packet)
      })
    } catch (error) {
      failure = error as Error
      socket.destroy()
    }
  })
  socket.on('error', (error) => {
    failure ??= error
  })
  socket.on('close', () => {
    void port.close()
    ended(failure)
  })
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(airErrors.create('ERR_AIR_LISTEN', `Cannot listen on ${host}:${port}: ${cause.message}`, { cause }))
    })
    server.listen(port, host, () => {
      server.removeAllListeners('error').on('error', () => {})
      resolve()
    })
  })
}
