/**
 * The sub-protocol without collections of Couchbase Lite 2.x to 3.0 and Sync Gateway 2.x (cbmobile.md §1, §2).
 *
 * Answering sides with revision trees accept it from a client that offers nothing better that they know. Replicators offer it, after all
 * others, only when told to: current Couchbase Lite cores never offer it, and a database that needs several collections cannot use it.
 */
export const LEGACY_PROTOCOL = 'BLIP_3+CBMobile_2'
