/** One published service as DNS records and back. Pure. */
import { groupName, instanceName, serviceTypesName, typeName } from './names.ts'
import { rrType } from './rdata.ts'
import type { Buffer } from 'node:buffer'
import type { ResourceRecord } from './dns-message.ts'

/** Seconds a record may be kept: 75 minutes, or 2 minutes when it tells where the service is (RFC 6762 §10). */
const longTtl = 4500
const hostTtl = 120

export interface ServiceDescription {
  /** Instance label as plain text, e.g. `Shop`. */
  readonly label: string
  /** `_couchbaseP2P._tcp`. */
  readonly serviceType: string
  /** Groups; each one is a sub-type. */
  readonly groups: readonly string[]
  /** Host name without `.local`, one label. */
  readonly host: string
  readonly port: number
  /** TXT record data. */
  readonly txt: Buffer
}

/** A service's records on one link. */
export interface ServiceRecords {
  /** Full name, e.g. `Shop._couchbaseP2P._tcp.local`. */
  readonly name: string
  readonly hostName: string
  /** PTR records; other services have records of these names, too. */
  readonly shared: readonly ResourceRecord[]
  /** Lists the type among the link's types; never said goodbye to, since others may be of the type. */
  readonly typeListing: ResourceRecord
  /** SRV and TXT: ours alone. */
  readonly instance: readonly ResourceRecord[]
  /** A and AAAA: ours alone. */
  readonly addresses: readonly ResourceRecord[]
  /** States that the instance and the host have no other types of record (RFC 6762 §6.1). */
  readonly negative: readonly ResourceRecord[]
}

/** @param addresses IPv4 and IPv6 addresses of the link, without zone. */
export function serviceRecords(service: ServiceDescription, addresses: readonly string[]): ServiceRecords {
  const name = instanceName(service.label, service.serviceType)
  const hostName = `${service.host}.local`
  const pointer = (from: string): ResourceRecord => ({ name: from, ttl: longTtl, flush: false, data: { type: rrType.PTR, target: name } })
  const addressRecords = addresses.map(
    (address): ResourceRecord => ({
      name: hostName,
      ttl: hostTtl,
      flush: true,
      data: { type: address.includes(':') ? rrType.AAAA : rrType.A, address }
    })
  )
  const types = [...new Set(addressRecords.map((record) => record.data.type))]
  const negative: ResourceRecord[] = [
    { name, ttl: hostTtl, flush: true, data: { type: rrType.NSEC, next: name, types: [rrType.TXT, rrType.SRV] } }
  ]
  if (types.length > 0) negative.push({ name: hostName, ttl: hostTtl, flush: true, data: { type: rrType.NSEC, next: hostName, types } })
  return {
    name,
    hostName,
    shared: [pointer(typeName(service.serviceType)), ...service.groups.map((group) => pointer(groupName(group, service.serviceType)))],
    typeListing: { name: serviceTypesName, ttl: longTtl, flush: false, data: { type: rrType.PTR, target: typeName(service.serviceType) } },
    instance: [
      { name, ttl: hostTtl, flush: true, data: { type: rrType.SRV, priority: 0, weight: 0, port: service.port, target: hostName } },
      { name, ttl: longTtl, flush: true, data: { type: rrType.TXT, bytes: service.txt } }
    ],
    addresses: addressRecords,
    negative
  }
}

/** The same records as a farewell (RFC 6762 §10.1). Addresses stay: the host is still there. */
export function goodbyeRecords(records: ServiceRecords): ResourceRecord[] {
  return [...records.shared, ...records.instance].map((record) => ({ ...record, ttl: 0 }))
}
