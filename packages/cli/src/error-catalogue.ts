import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const cliErrors = defineErrors({
  ERR_CLI_USAGE: {
    when: 'An option or argument of a command cannot be understood.',
    hint: 'Add --help to the command to see its examples.'
  },
  ERR_CLI_INPUT: {
    when: 'A line or document of the input cannot be stored.',
    hint: 'Each line is one JSON object with an "_id" field; --skip-errors goes on with the next line.'
  },
  ERR_CLI_FILE: { when: 'A file that was named cannot be read or written.', hint: 'Check the path and its permissions.' },
  ERR_CLI_NOT_FOUND: { when: 'A document that was asked for does not exist.', hint: 'kithmesh ls shows what is there.' },
  ERR_CLI_VERSIONING: {
    when: 'A database names its revisions in another way than --versioning says.',
    hint: 'Leave --versioning out to use it as it is, or add --upgrade to turn it to version-vectors for good.'
  },
  ERR_CLI_REPLICATION: { when: 'Documents were left out of a replication that otherwise ended well.', hint: 'The lines above say why.' }
})
