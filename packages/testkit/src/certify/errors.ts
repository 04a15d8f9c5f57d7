import { defineErrors } from '@kithmesh/core'

/** Every code that certifying rejects with; what is wrong with a plugin is in the report instead. */
export const certifyErrors = defineErrors({
  ERR_CERTIFY_PACKAGE: {
    when: 'What is to be certified is no package.',
    hint: 'Give the directory that has the package.json of the plugin.'
  },
  ERR_CERTIFY_NOTHING: {
    when: 'No check matches what was asked for.',
    hint: 'Leave out --suite and --grep to see the names of all checks.'
  }
})
