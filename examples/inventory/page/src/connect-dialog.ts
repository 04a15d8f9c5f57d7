import type { CertificateView, ConnectRequest, NeighbourView, ValidationMode } from '#contracts'
import { base64Of, post } from './api.ts'
import { choices, field, h } from './dom.ts'
import { openDialog } from './dialog.ts'

const modes = [
  {
    value: 'self-signed',
    label: 'Any self-signed certificate',
    hint: 'Encrypted, but to whomever. Listeners make such certificates by themselves.'
  },
  { value: 'any', label: 'Do not check', hint: 'Encrypted, but to whomever, whatever the certificate is.' },
  { value: 'ca', label: 'By an authority', hint: 'The certificate must be issued by an authority that we trust, for this host.' },
  { value: 'pinned', label: 'Pinned certificate', hint: 'It must be exactly this certificate, or issued by it.' },
  { value: 'plain', label: 'No TLS', hint: 'Nothing is encrypted, the password included. For listeners without TLS.' }
] as const

const REMEMBERED = 'inventory.mode'

/** How to connect with a listener: the check of its certificate, and as whom. */
export function openConnectDialog(neighbour: NeighbourView | undefined, authorities: readonly CertificateView[], loggedIn: string): void {
  const url = h('input', { type: 'url', required: true, placeholder: 'wss://192.168.1.4:50123/userdb', name: 'url' })
  const pin = h('input', { type: 'file', accept: '.cer,.crt,.der,.pem', name: 'pin' })
  const authority = h('input', { type: 'file', accept: '.cer,.crt,.der,.pem', name: 'authority' })
  const known =
    authorities.length === 0
      ? 'So far those that Node brings along.'
      : `So far: ${authorities.map(({ commonName }) => commonName).join(', ')}.`
  const pinField = field(
    'Certificate',
    pin,
    'The file that the other side offers under “Download the certificate”, handed over in a way that you trust.'
  )
  const authorityField = field('Further authority', authority, known)
  const mode = choices<ValidationMode>('Check of the certificate', modes, showFields)
  const user = h('input', { name: 'user', value: loggedIn, autocomplete: 'off', required: true })
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'off', placeholder: 'the one you logged in with' })
  function showFields(): void {
    pinField.hidden = mode.value !== 'pinned'
    pin.required = mode.value === 'pinned'
    authorityField.hidden = mode.value !== 'ca'
  }
  mode.value = neighbour?.connection?.mode ?? remembered()
  showFields()
  openDialog({
    title: neighbour === undefined ? 'Connect to an address' : `Connect to ${neighbour.name}`,
    content: [
      ...(neighbour === undefined ? [field('Address', url)] : []),
      mode.element,
      pinField,
      authorityField,
      h('div', { className: 'pair' }, field('As', user), field('Password', password))
    ],
    submit: 'Connect',
    run: async () => {
      const [pinned, trusted] = [pin.files?.[0], authority.files?.[0]]
      if (mode.value === 'ca' && trusted !== undefined) await post('/api/authority', { file: await base64Of(trusted) })
      const request: ConnectRequest = {
        ...(neighbour === undefined ? { url: url.value } : { key: neighbour.key }),
        mode: mode.value,
        ...(user.value !== loggedIn && { user: user.value }),
        ...(password.value !== '' && { password: password.value }),
        ...(mode.value === 'pinned' && pinned !== undefined && { certificate: await base64Of(pinned) })
      }
      await post('/api/connect', request)
      localStorage.setItem(REMEMBERED, mode.value)
    }
  })
}

function remembered(): ValidationMode {
  const last = localStorage.getItem(REMEMBERED)
  // A pin belongs to one listener, and going without TLS is to be chosen each time.
  return modes.find(({ value }) => value === last && value !== 'pinned' && value !== 'plain')?.value ?? 'self-signed'
}
