import type { AppState, ClientView, ListenerView, TlsMode } from '#contracts'
import { base64Of, post } from './api.ts'
import { type View, choices, field, h, keyedChildren, setText } from './dom.ts'
import { openDialog } from './dialog.ts'
import { attempt, toast } from './toast.ts'
import { counted, errorInWords, fingerprintInWords } from './words.ts'

const modes = [
  {
    value: 'anonymous',
    label: 'Anonymous certificate',
    hint: 'Encrypted. The certificate is made up at each start, so nobody can tell who we are.'
  },
  { value: 'identity', label: 'Given identity', hint: 'Encrypted. Shows a certificate that others can check or pin.' },
  { value: 'off', label: 'No TLS', hint: 'Nothing is encrypted, passwords included. For experiments.' }
] as const

const words: Readonly<Record<ListenerView['state'], string>> = { off: 'stopped', starting: 'starting', on: 'running', stopping: 'stopping' }

/** The passive peer: start and stop, where others connect, who is connected. */
export function listenerView(): View<AppState> {
  let state: ListenerView | undefined
  const chip = h('span', { className: 'chip' })
  const toggle = h('button', { type: 'button', onclick: () => void (state?.state === 'on' ? stop() : start()) })
  const mode = choices<TlsMode>('TLS', modes, (tls) => {
    showMode()
    // A running listener changes over at once; who is connected comes back if it agrees with the new mode.
    if (state?.state === 'on') void attempt(() => post('/api/listener', { on: true, tls }))
  })
  mode.value = 'anonymous'
  const urls = h('ul', { className: 'urls', 'aria-label': 'Addresses of the listener' })
  const showUrls = keyedChildren<string>(urls, (url) => url, urlRow)
  const count = h('p', { className: 'count', role: 'status' })
  const clients = h('ul', { className: 'clients' })
  const showClients = keyedChildren<ClientView>(clients, ({ remote }) => remote, clientRow)
  const certificate = h('p', { className: 'certificate' })
  const download = h('a', { href: '/api/certificate', download: 'listener-pinned-cert.cer' }, 'Download the certificate')
  const problem = h('p', { className: 'problem' })
  const identity = h('p', { className: 'muted' })
  const give = h('button', { type: 'button', className: 'quiet', onclick: openIdentityDialog }, 'Use another identity…')
  const summary = h('summary', {})
  const settings = h('details', { className: 'settings' }, summary, h('div', {}, mode.element, identity, give))

  function showMode(): void {
    setText(summary, `TLS: ${modes.find(({ value }) => value === mode.value)?.label ?? ''}`)
  }
  async function start(): Promise<void> {
    await attempt(() => post('/api/listener', { on: true, tls: mode.value }))
  }
  async function stop(): Promise<void> {
    if ((state?.connections ?? 0) === 0) await attempt(() => post('/api/listener', { on: false }))
    else
      openDialog({
        title: 'Stop the listener?',
        content: [
          h(
            'p',
            {},
            `${counted(state?.connections ?? 0, 'peer is', 'peers are')} connected. They are disconnected, and come back when it is started again.`
          )
        ],
        submit: 'Stop listener',
        run: () => post('/api/listener', { on: false })
      })
  }

  return {
    element: h(
      'section',
      { className: 'panel', id: 'listener', 'aria-labelledby': 'listener-title' },
      h('header', {}, h('div', {}, h('h2', { id: 'listener-title' }, 'Listener'), chip), toggle),
      count,
      clients,
      urls,
      certificate,
      download,
      problem,
      settings
    ),
    update({ listener, identity: given, offline }) {
      const changed = state === undefined || state.tls !== listener.tls || state.state !== listener.state
      state = listener
      if (changed && listener.state !== 'off') mode.value = listener.tls
      showMode()
      setText(chip, words[listener.state])
      chip.dataset['state'] = listener.state
      setText(toggle, listener.state === 'on' ? 'Stop listener' : 'Start listener')
      toggle.disabled = listener.state === 'starting' || listener.state === 'stopping' || offline
      count.hidden = listener.state !== 'on'
      setText(count, `${counted(listener.connections, 'connection')}, ${listener.activeConnections} active`)
      showUrls(listener.urls)
      showClients(listener.clients)
      certificate.hidden = download.hidden = listener.certificate === undefined
      setText(certificate, listener.certificate === undefined ? '' : `SHA-256 ${fingerprintInWords(listener.certificate.fingerprint)}`)
      setText(problem, listener.error === undefined ? '' : errorInWords(listener.error))
      setText(identity, `Given identity: ${given.commonName}, ${given.selfSigned ? 'self-signed' : 'issued by an authority'}`)
    }
  }
}

function urlRow(url: string): View<string> {
  const copy = h(
    'button',
    {
      type: 'button',
      className: 'quiet',
      'aria-label': `Copy ${url}`,
      onclick: () =>
        void attempt(async () => {
          await navigator.clipboard.writeText(url)
          toast('Copied.')
        })
    },
    'Copy'
  )
  return { element: h('li', {}, h('code', {}, url), copy), update: () => {} }
}

function clientRow(): View<ClientView> {
  const element = h('li')
  return {
    element,
    update: ({ user, remote, activity }) => setText(element, `${user} from ${remote}${activity === 'busy' ? ', syncing' : ''}`)
  }
}

function openIdentityDialog(): void {
  const file = h('input', { type: 'file', required: true, accept: '.p12,.pfx,.pem' })
  const passphrase = h('input', { type: 'password', autocomplete: 'off' })
  openDialog({
    title: 'Use another identity',
    content: [
      field(
        'File',
        file,
        'PKCS#12 (.p12), or PEM with the certificate and its private key. It counts from the next start of the listener.'
      ),
      field('Passphrase', passphrase)
    ],
    submit: 'Use',
    run: async () => {
      const chosen = file.files?.[0]
      if (chosen !== undefined) await post('/api/identity', { file: await base64Of(chosen), passphrase: passphrase.value })
    }
  })
}
