import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RateLimiter, systemClock } from '@kithmesh/core'
import { addItem, changeQuantity, editItem, removeItem, restoreItem } from '../model/edits.ts'
import { imageTypeOf } from '../model/image-type.ts'
import { tlsModes, validationModes } from '../model/modes.ts'
import type { App } from '../peer/app.ts'
import { Fields, HttpRefusal, readBody } from './request-body.ts'

/** Largest picture that is taken, in bytes; pages make photos smaller before they send them. */
const MAX_PICTURE = 2 * 1024 * 1024
const MAX_JSON = 4 * 1024
const MAX_FILE_JSON = 256 * 1024

/** What a route answers: JSON, or a file. */
export type Answer =
  | { readonly json: unknown }
  | { readonly file: Buffer; readonly type: string; readonly immutable?: boolean; readonly download?: string }

export type Route = (request: IncomingMessage, parameter: string) => Promise<Answer>

const done: Answer = { json: {} }

/** The routes of the page's API: by method and path, `*` standing for one part of it. */
export function routesOf(app: App): Readonly<Record<string, Route>> {
  const logIns = new RateLimiter({ clock: systemClock, perAddress: { perMinute: 20, burst: 10 } })
  const edit = (change: Parameters<typeof app.session.store.edit>[0]): Answer => {
    app.session.store.edit(change)
    return done
  }
  const read = async (request: IncomingMessage): Promise<Fields> => await Fields.read(request, MAX_JSON)

  return {
    'GET /api/state': async () => ({ json: app.state }),

    'POST /api/login': async (request) => {
      const fields = await read(request)
      if (!logIns.take('page')) throw new HttpRefusal(429, 'Too many tries. Wait a minute.')
      await app.logIn(fields.text('name'), fields.text('password'))
      return done
    },
    'POST /api/logout': async () => {
      await app.logOut()
      return done
    },

    'POST /api/items': async (request) => {
      const fields = await read(request)
      const id = randomBytes(8).toString('hex')
      edit((list, writer) => addItem(list, writer, { id, name: fields.text('name'), quantity: fields.number('quantity') }))
      return { json: { id } }
    },
    'POST /api/items/*': async (request, id) => {
      const fields = await read(request)
      const name = fields.optionalText('name')
      const quantity = fields.optionalNumber('quantity')
      return edit((list, writer) =>
        editItem(list, writer, id, { ...(name !== undefined && { name }), ...(quantity !== undefined && { quantity }) })
      )
    },
    'POST /api/items/*/change': async (request, id) => {
      const by = (await read(request)).number('by')
      return edit((list, writer) => changeQuantity(list, writer, id, by))
    },
    'POST /api/items/*/remove': async (_request, id) => edit((list, writer) => removeItem(list, writer, id)),
    'POST /api/items/*/restore': async (_request, id) => edit((list, writer) => restoreItem(list, writer, id)),
    'POST /api/items/*/picture': async (request, id) => {
      const { store } = app.session
      const bytes = await readBody(request, MAX_PICTURE)
      const type = imageTypeOf(bytes)
      if (type === undefined) throw new HttpRefusal(415, 'That is no picture of a kind that browsers show: PNG, JPEG, GIF or WebP.')
      const picture = await store.savePicture(bytes, type)
      return edit((list, writer) => editItem(list, writer, id, { picture }))
    },
    'GET /api/picture/*': async (_request, digest) => {
      const bytes = await app.session.store.picture(digest)
      const type = bytes === undefined ? undefined : imageTypeOf(bytes)
      if (bytes === undefined || type === undefined) throw new HttpRefusal(404, 'There is no such picture.')
      return { file: bytes, type, immutable: true }
    },

    'POST /api/listener': async (request) => {
      const fields = await read(request)
      if (fields.flag('on')) await app.session.startListener(fields.oneOf('tls', tlsModes))
      else await app.session.stopListener()
      return done
    },
    'GET /api/certificate': async () => {
      const certificate = app.session.listener.certificate
      if (certificate === undefined) throw new HttpRefusal(404, 'The listener shows no certificate at the moment.')
      return { file: certificate.raw, type: 'application/pkix-cert', download: 'listener-pinned-cert.cer' }
    },
    'POST /api/identity': async (request) => {
      const fields = await Fields.read(request, MAX_FILE_JSON)
      await app.certificates.give(Buffer.from(fields.text('file', MAX_FILE_JSON), 'base64'), fields.text('passphrase'))
      app.changed()
      return done
    },
    'POST /api/authority': async (request) => {
      const fields = await Fields.read(request, MAX_FILE_JSON)
      await app.certificates.addAuthority(Buffer.from(fields.text('file', MAX_FILE_JSON), 'base64'))
      app.changed()
      return done
    },

    'POST /api/browse': async (request) => {
      await app.session.neighbourhood.browse((await read(request)).flag('on'))
      return done
    },
    'POST /api/connect': async (request) => {
      const fields = await Fields.read(request, MAX_FILE_JSON)
      const [key, url] = [fields.optionalText('key'), fields.optionalText('url', 1000)]
      const [user, password] = [fields.optionalText('user'), fields.optionalText('password')]
      const certificate = fields.optionalText('certificate', MAX_FILE_JSON)
      await app.session.connect({
        mode: fields.oneOf('mode', validationModes),
        ...(key !== undefined && { key }),
        ...(url !== undefined && { url }),
        ...(user !== undefined && { user }),
        ...(password !== undefined && { password }),
        ...(certificate !== undefined && { certificate })
      })
      return done
    },
    'POST /api/disconnect': async (request) => {
      await app.session.disconnect((await read(request)).text('key', 1000))
      return done
    },
    'POST /api/forget': async (request) => {
      await app.session.forget((await read(request)).text('key', 1000))
      return done
    },
    'POST /api/retry': async (request) => {
      app.session.connections.retry((await read(request)).text('key', 1000))
      return done
    },
    'POST /api/offline': async (request) => {
      await app.session.goOffline((await read(request)).flag('on'))
      return done
    }
  }
}
