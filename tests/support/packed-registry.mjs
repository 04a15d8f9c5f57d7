// The packages of this checkout as users get them: packed, and served by a registry on loopback for their scope. Everything else comes from
// wherever npm gets it otherwise. Needs a built checkout.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { publishedPackages } from '../../tools/lib/entries.mjs'
import { root, runNpm } from '../../tools/lib/run.mjs'

const scope = '@kithmesh'

/** Packs all published packages into a folder: `{ manifest, data }` by name. */
async function packAll(destination) {
  const packages = publishedPackages()
  const { code, text } = await runNpm(
    ['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', destination, ...packages.map(({ folder }) => `./${folder}`)],
    { output: 'collect' }
  )
  if (code !== 0) throw new Error(`npm pack failed: ${text}`)
  const listed = JSON.parse(text.slice(text.search(/^[[{]/m)))
  const files = new Map((Array.isArray(listed) ? listed : Object.values(listed)).map(({ name, filename }) => [name, filename]))
  return new Map(
    packages.map(({ manifest }) => [manifest.name, { manifest, data: readFileSync(join(destination, files.get(manifest.name))) }])
  )
}

/** What a registry tells of a package with one version. */
function packument({ manifest, data }, tarball) {
  const hash = (algorithm, encoding) => createHash(algorithm).update(data).digest(encoding)
  const dist = { tarball, integrity: `sha512-${hash('sha512', 'base64')}`, shasum: hash('sha1', 'hex') }
  const { name, version } = manifest
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } } }
}

/**
 * Starts the registry. `env` is what npm needs to use it: its user configuration is ours with one line more. Install scripts are not run: nothing that
 * plugins need has any, and native addons would be compiled at each install.
 */
export async function startPackedRegistry() {
  mkdirSync(join(root, 'temp'), { recursive: true })
  const folder = mkdtempSync(join(root, 'temp', 'registry-'))
  const packages = await packAll(folder)
  // npm caches by URL, so one that comes again must not mean something else.
  const prefix = `/${randomBytes(8).toString('hex')}`
  const server = createServer(({ method, url }, response) => {
    const [name, tarball] = url.startsWith(`${prefix}/`) ? decodeURIComponent(url.slice(prefix.length + 1)).split('/-/') : []
    const found = packages.get(name)
    if (method !== 'GET' || found === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
      return
    }
    const { port } = server.address()
    if (tarball !== undefined) response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(found.data)
    else {
      const address = `http://127.0.0.1:${port}${prefix}/${name}/-/package.tgz`
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument(found, address)))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A cache of its own, without the programs that `npm create` keeps: it would run the generator of an earlier build.
  const cache = join(root, 'temp', 'npm-cache')
  rmSync(join(cache, '_npx'), { recursive: true, force: true })
  const own = process.env.npm_config_userconfig ?? process.env.NPM_CONFIG_USERCONFIG ?? join(homedir(), '.npmrc')
  const configuration = join(folder, 'npmrc')
  writeFileSync(
    configuration,
    `${existsSync(own) ? readFileSync(own, 'utf8') : ''}\n${scope}:registry=http://127.0.0.1:${server.address().port}${prefix}/\n`
  )
  return {
    packages: [...packages.keys()],
    env: {
      npm_config_userconfig: configuration,
      npm_config_cache: cache,
      npm_config_ignore_scripts: 'true',
      npm_config_yes: 'true',
      npm_config_prefer_offline: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false'
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
