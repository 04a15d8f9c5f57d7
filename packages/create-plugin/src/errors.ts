export type CreatePluginErrorCode = 'ERR_CREATE_ARGUMENTS' | 'ERR_CREATE_NAME' | 'ERR_CREATE_EXISTS' | 'ERR_CREATE_WRITE'

/** Every code of this package, in the form of Kithmesh's other catalogues. It has no dependencies, so that `npm create` is quick; core is one. */
const catalogue = {
  ERR_CREATE_ARGUMENTS: {
    when: 'An argument of `npm create @kithmesh/plugin` is missing, unknown or makes no sense.',
    hint: 'npm create @kithmesh/plugin -- --help lists them; those for the generator stand behind the two dashes.'
  },
  ERR_CREATE_NAME: {
    when: 'The name of a new plugin cannot be that of a package.',
    hint: 'Use lower case letters, digits and dashes, with a scope or without: kithmesh-tunnel, @acme/tunnel.'
  },
  ERR_CREATE_EXISTS: {
    when: 'There is something where the new plugin is to be written; nothing is ever overwritten.',
    hint: 'Choose another --directory, or move away what is there.'
  },
  ERR_CREATE_WRITE: {
    when: 'The files of a new plugin cannot be written; what had been written was removed.',
    hint: 'Look at the cause: there may be no room, or no right to write there.'
  }
} as const satisfies Readonly<Record<CreatePluginErrorCode, { readonly when: string; readonly hint: string }>>

/** An error with a code that stays, and what a person can do. */
export class CreatePluginError extends Error {
  readonly code: CreatePluginErrorCode
  readonly hint: string

  constructor(code: CreatePluginErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'CreatePluginError'
    this.code = code
    this.hint = catalogue[code].hint
  }
}

export const createPluginErrors: {
  readonly catalogue: Readonly<Record<CreatePluginErrorCode, { readonly when: string; readonly hint: string }>>
  create(code: CreatePluginErrorCode, message: string, options?: { readonly cause?: unknown }): CreatePluginError
} = {
  catalogue,
  create: (code, message, options) => new CreatePluginError(code, message, options)
}
