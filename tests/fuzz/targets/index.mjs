// What is fuzzed, by name.
import { dns, txt } from './codecs.mjs'
import { active, passive } from './sessions.mjs'

export const targets = { passive, active, dns, txt }
