// What is fuzzed, by name.
import { dns, txt } from './codecs.mjs'
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
  dns,
  txt
}
