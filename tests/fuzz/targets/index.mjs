// What is fuzzed, by name.
import { ble } from './ble.mjs'
import { dns, txt } from './codecs.mjs'
import { l2cap } from './l2cap.mjs'
import { active, passive } from './sessions.mjs'
import { deltas, frames, vectors } from './wire.mjs'

export const targets = {
  passive: passive('passive', 'rev-trees'),
  active: active('active', 'rev-trees'),
  'passive-vectors': passive('passive-vectors', 'version-vectors'),
  'active-vectors': active('active-vectors', 'version-vectors'),
  frames,
  deltas,
  vectors,
  l2cap,
  dns,
  txt,
  'ble-abandonware': ble('abandonware'),
  'ble-stoprocent': ble('stoprocent')
}
