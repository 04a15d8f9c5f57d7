import { defineErrors } from '@kithmesh/core/plugin'

/** Every error code of this package: when it happens and what to do. */
export const databaseErrors = defineErrors({
  ERR_DB_NOT_FOUND: {
    when: 'There is no database in the directory and none was to be made.',
    hint: 'Check the path, or open with createIfMissing.'
  },
  ERR_DB_EXISTS: { when: 'The target of a copy already holds something.', hint: 'Choose an empty or new directory.' },
  ERR_DB_UNREADABLE: {
    when: 'What is in the directory is not a database, is damaged, or may not be read by this user.',
    hint: 'Check the path and its permissions; restore a damaged database from a copy or sync it anew from a peer.'
  },
  ERR_DB_VERSION: { when: 'The database was made by a newer version of this software.', hint: 'Update this program.' },
  ERR_DB_LOCKED: {
    when: 'Another process kept the database locked for five seconds.',
    hint: 'End the other program, or look for one that is stuck in a long write.'
  },
  ERR_DB_DISK_FULL: {
    when: 'The disk is full; the write was undone as a whole.',
    hint: 'Free some space and try again; nothing stored earlier is lost.'
  },
  ERR_DB_IO: { when: 'The operating system reported a read or write error.', hint: 'Check the disk and the system log.' },
  ERR_DB_ENGINE: { when: 'The storage engine refused a statement.', hint: 'This is a defect; please report it with the cause.' },
  ERR_DB_ENGINE_MISSING: {
    when: 'No SQLite is available to this Node.',
    hint: 'Use Node 22.13 or newer, or install better-sqlite3 12 (npm install better-sqlite3@12).'
  },
  ERR_DB_UNSUPPORTED: { when: 'The storage engine cannot do this.', hint: 'Use a database on disk.' },
  ERR_DB_CLOSED: { when: 'The database was closed or deleted.', hint: 'Open it again.' },
  ERR_DB_NO_COLLECTION: {
    when: 'The collection does not exist (any more).',
    hint: 'Create it first: database.collection(name, scope, { create: true }).'
  },
  ERR_DB_COLLECTION_NAME: {
    when: 'A scope or collection name is not allowed.',
    hint: 'Use 1 to 251 of A-Z a-z 0-9 _ - %, not starting with _ or %; only _default may.'
  },
  ERR_DB_DOCUMENT_ID: { when: 'A document id is not allowed.', hint: 'Use 1 to 240 bytes of UTF-8 that do not start with an underscore.' },
  ERR_DB_REVISION_ID: {
    when: 'A revision id, version or history is malformed.',
    hint: 'Revision ids are <generation>-<lowercase hex>, or <hex time>@<source> in version vectors; history is ordered from new to old.'
  },
  ERR_DB_VERSIONING: {
    when: 'A database with version vectors was to be used with revision trees, or was upgraded to vectors by another process meanwhile.',
    hint: 'Open it with version vectors (or again, leaving the versioning out): the upgrade cannot be undone.'
  },
  ERR_DB_CLOCK_SKEW: {
    when: 'A revision from a peer was made more than two minutes ahead of the clock of this machine, which is past what a hybrid clock allows.',
    hint: 'Set the clocks of both machines right, best with a time service; the revision is taken when the time has come.'
  },
  ERR_DB_NO_DOCUMENT: { when: 'There is no such document.', hint: 'Check the id; deleted documents count as absent.' },
  ERR_DB_CONFLICT: {
    when: 'The document changed meanwhile: the parent revision given is not the current one, or a branch to be resolved is gone.',
    hint: 'Read the document again and repeat the change.'
  },
  ERR_DB_MALFORMED_JSON: {
    when: 'A body is not valid JSON, or not a JSON object.',
    hint: 'Bodies are JSON objects in UTF-8; the message says where the error is.'
  },
  ERR_DB_RESERVED_KEY: {
    when: 'A body has a top-level key that starts with an underscore.',
    hint: 'Rename the key; those names belong to the replication protocol.'
  },
  ERR_DB_TOO_LARGE: { when: 'A document is larger than the limit.', hint: 'Put large content into a blob, or raise maxDocumentSize.' },
  ERR_DB_BLOB_MISMATCH: {
    when: 'The bytes of a blob do not have the digest or the length that was announced.',
    hint: 'The blob was damaged or cut off on its way; send it again.'
  },
  ERR_DB_BLOB_DIGEST: { when: 'A blob digest is malformed.', hint: 'Digests are "sha1-" and the base64 of 20 bytes.' },
  ERR_DB_BLOB_MISSING: { when: 'A body refers to a blob that is not stored.', hint: 'Save the blob first with database.blobs.saveBlob.' }
})

/** ERR_DB_CONFLICT of an edit whose parent is not, or no longer, the current revision. */
export function editConflict(id: string, parent: string, current: string | undefined): Error {
  return databaseErrors.create(
    'ERR_DB_CONFLICT',
    current === undefined
      ? `Document ${JSON.stringify(id)} does not exist, so ${parent} cannot be its current revision`
      : `The current revision of ${JSON.stringify(id)} is ${current}, not ${parent === '' ? 'absent' : parent}`,
    { details: { id, parent, current } }
  )
}
