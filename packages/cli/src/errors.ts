import { defineErrors } from '@kithmesh/core/plugin'

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
  ERR_CLI_NO_PEER: {
    when: 'A device that was asked for was not found in time.',
    hint: 'kithmesh peers lists who is there, and kithmesh doctor what keeps this machine from seeing others.'
  },
  ERR_CLI_PAGE: {
    when: 'The page of a running kithmesh sync cannot be asked.',
    hint: 'Is that sync running with --web? Give --from the URL that it printed, with its token.'
  },
  ERR_CLI_NOT_CONNECTED: {
    when: 'kithmesh explain could not connect to a device.',
    hint: 'The rows above say what was tried, why it failed, and what to do.'
  },
  ERR_CLI_VERSIONING: {
    when: 'A database names its revisions in another way than --versioning says.',
    hint: 'Leave --versioning out to use it as it is, or add --upgrade to turn it to version-vectors for good.'
  },
  ERR_CLI_REPLICATION: { when: 'Documents were left out of a replication that otherwise ended well.', hint: 'The lines above say why.' },
  ERR_CLI_UNWELL: { when: 'kithmesh doctor found a problem.', hint: 'The hints of the problems above say what to do.' },
  ERR_CLI_NOT_CERTIFIED: {
    when: 'kithmesh certify found a check that fails.',
    hint: 'The report has the reason of each; --grep runs single checks again.'
  }
})
