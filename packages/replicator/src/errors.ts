import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or reports, see docs/errors.md. */
export const replicatorErrors = defineErrors({
  ERR_REPL_BAD_MESSAGE: {
    when: 'The peer sent a message that breaks the replication protocol.',
    hint: 'The peer may be another program, or a faulty version; look at the message and its cause.'
  },
  ERR_REPL_COLLECTION_MISSING: {
    when: 'A collection to be replicated does not exist at the peer.',
    hint: 'Create the collection there, or leave it out of the configuration; peers of CBMobile_2 have only the default one.'
  },
  ERR_REPL_COLLECTION_UNKNOWN: {
    when: 'A collection given in the configuration does not exist in the local database.',
    hint: 'Create it first: database.collection(name, scope, { create: true }).'
  },
  ERR_REPL_REMOTE: {
    when: 'The peer answered a request of the protocol with an error.',
    hint: "The domain and code in the details are the peer's; its log may say more."
  },
  ERR_REPL_TIMEOUT: {
    when: 'The peer did not answer within the time allowed.',
    hint: 'The peer may be overloaded or gone; a continuous replicator tries again by itself.'
  },
  ERR_REPL_CLOSED: {
    when: 'The connection ended before the replication was finished.',
    hint: 'A continuous replicator tries again by itself.'
  },
  ERR_REPL_CONNECT: {
    when: 'The peer could not be reached.',
    hint: 'Check the address, that the peer is running, and that no firewall is between; see the cause.'
  },
  ERR_REPL_AWAY: {
    when: 'The peer is not to be seen on the network at the moment, so there is no address to connect to.',
    hint: 'A continuous replicator connects when it is seen. Start the listener there, and look whether discovery finds other peers.'
  },
  ERR_REPL_UNAUTHORIZED: {
    when: 'The peer refused the user name, password or certificate.',
    hint: 'Check the credentials given to the endpoint.'
  },
  ERR_REPL_NOT_FOUND: { when: 'The peer has no database of this name.', hint: 'Check the last part of the URL.' },
  ERR_REPL_HTTP: { when: 'The peer answered the connection request with an HTTP error.', hint: 'See the status in the details.' },
  ERR_REPL_PROTOCOL: {
    when: 'The peer speaks no replication protocol version that this database can use.',
    hint: 'Databases with revision trees speak BLIP_3+CBMobile_3, and CBMobile_2 when `legacy` is set, those with version vectors BLIP_3+CBMobile_4; see the compatibility table in the README.'
  },
  ERR_REPL_VERSIONING: {
    when: 'One of the two databases has revision trees (as Couchbase Lite up to 3.x), the other version vectors (as Couchbase Lite 4.x).',
    hint: 'Make both databases with the same versioning, or upgrade the one with revision trees: open it with versioning "version-vectors".'
  },
  ERR_REPL_STORE: {
    when: 'The local database failed while replicating.',
    hint: 'See the cause: the disk may be full or the database damaged.'
  },
  ERR_REPL_DOC_INVALID: {
    when: 'A document was refused because its id, revision id, history or body is malformed.',
    hint: 'The document stays as it was; correct it at its source.'
  },
  ERR_REPL_DOC_TOO_LARGE: {
    when: 'A document is larger than the limit.',
    hint: 'Put large content into blobs, or raise maxDocumentBytes.'
  },
  ERR_REPL_DELTA_MALFORMED: {
    when: 'A delta, or a document to apply it to, cannot be read.',
    hint: 'The peer is asked for the whole document; nothing has to be done unless it happens all the time.'
  },
  ERR_REPL_DELTA_MISMATCH: {
    when: 'A delta does not fit the revision it is said to be made from, or that revision is no longer here.',
    hint: 'The peer is asked for the whole document; nothing has to be done unless it happens all the time.'
  },
  ERR_REPL_DELTA_LIMIT: {
    when: 'A delta or the document it belongs to has too many values or levels to be patched.',
    hint: 'The peer is asked for the whole document.'
  },
  ERR_REPL_DOC_CONFLICT: {
    when: 'The peer has a rival revision of a document, and this replicator does not pull.',
    hint: 'Replicate push-and-pull so that the conflict can be resolved.'
  },
  ERR_REPL_DOC_REJECTED: { when: 'The peer, or the pull filter, refused a document.', hint: 'See the code and message in the details.' },
  ERR_REPL_DOC_KEPT: {
    when: 'The peer took our access to a document away, which was not purged because it has changes that the peer does not have.',
    hint: 'It is purged once the peer has taken the changes. If it never will, save what is needed and purge it yourself.'
  },
  ERR_REPL_FILTER: {
    when: 'A push or pull filter threw, or returned something else than true or false; the document counts as refused by it.',
    hint: 'Correct the filter: it must not throw or be asynchronous.'
  },
  ERR_REPL_DOC_UNAVAILABLE: {
    when: 'The peer announced a revision and could not send it.',
    hint: 'It was probably replaced by a newer one, which follows.'
  },
  ERR_REPL_BLOB: {
    when: 'A blob of a document could not be fetched, or its digest or length is wrong.',
    hint: 'The peer may not have the blob any more, or its copy is damaged.'
  },
  ERR_REPL_RESOLVER: {
    when: 'A conflict resolver threw, or returned something unusable; the document stays in conflict.',
    hint: 'Correct the resolver; it runs again at the next start.'
  },
  ERR_REPL_PULL_ONLY: {
    when: 'Pending documents were asked of a replicator that does not push.',
    hint: 'Use the type push or push-and-pull.'
  },
  ERR_REPL_LISTEN: { when: 'The listener could not be started.', hint: 'The port may be taken, or need privileges; see the cause.' },
  ERR_REPL_MESSAGING: {
    when: "The application's own connection of a message endpoint reported an error, or threw one.",
    hint: 'See the cause. Reject with a MessagingError that is recoverable when trying again makes sense.'
  },
  ERR_REPL_MESSAGING_TIMEOUT: {
    when: "The application's own connection of a message endpoint did not finish opening, sending or closing in time.",
    hint: 'Its open, send and close must settle, also when the peer is gone; longer deadlines can be given for slow transports.'
  },
  ERR_REPL_MESSAGING_OVERFLOW: {
    when: 'More was received over a message endpoint than could be taken, and the application did not wait.',
    hint: 'When receive returns false, wait for ready before reading on; or raise maxReceiveBytes.'
  }
})
