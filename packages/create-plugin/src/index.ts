/**
 * Makes packages for authors of plugins: what `npm create @kithmesh/plugin` runs, as a function.
 *
 * @example
 * ```ts
 * import { createPlugin } from '@kithmesh/create-plugin'
 *
 * const { directory, files } = await createPlugin({ name: '@acme/kithmesh-tunnel', kind: 'transport', directory: './tunnel' })
 * console.log(directory, files)
 * ```
 *
 * @packageDocumentation
 */
export { createPlugin } from './create-plugin.ts'
export type { CreatedPlugin, CreatePluginOptions } from './create-plugin.ts'
export { CreatePluginError, createPluginErrors } from './errors.ts'
export type { CreatePluginErrorCode } from './errors.ts'
export { pluginNames } from './plugin-names.ts'
export type { PluginKind, PluginNames } from './plugin-names.ts'
