/** tsyringe refuses to load without the reflection polyfill; this module is imported before it and must stay a side effect (see `sideEffects` in package.json). */
import 'reflect-metadata'
