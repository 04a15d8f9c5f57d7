import { defineErrors } from '@kithmesh/core/plugin'

/** Every code of this provider. */
export const sharedFolderErrors = defineErrors({
  ERR_SHARED_FOLDER_ACCESS: {
    when: 'The store cannot be read or written.',
    hint: 'See that the folder is there, and that this user may create files in it.'
  },
  ERR_SHARED_FOLDER_TOO_LARGE: {
    when: 'What is to be published takes more room than other devices read.',
    hint: 'Publish less metadata.'
  },
  ERR_SHARED_FOLDER_SHUT_DOWN: {
    when: 'The provider was used after its shutdown.',
    hint: 'Shutdown is final; make another discovery.'
  }
})
