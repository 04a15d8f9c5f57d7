/** What a topic of Kithmesh is for. */
export type TopicKind = 'presence' | 'inbox'

/** Which topics there are on the broker: those of `@kithmesh/provider-mqtt` and no others. */
export interface TopicPolicy {
  /** What may be published on a topic; undefined for one that is not Kithmesh's. */
  kindOf(topic: string): TopicKind | undefined
  /** Whether a filter may be subscribed to: the presence of one group, or one topic. Nobody can look for groups. */
  maySubscribe(filter: string): boolean
}

/** A group: its UUID, or 32 digits that stand for it where there is a group key. */
const GROUP = '(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})'
/** A device: its peer id, or what stands for it. */
const NODE = '(?:[0-9a-f]{64}|[0-9a-f]{32})'

/** `<prefix>/<group>/p/<node>` (presence) and `<prefix>/<group>/i/<node>` (inbox). @throws TypeError for a prefix that is none */
export function topicPolicy(prefix: string): TopicPolicy {
  if (!/^[A-Za-z0-9_-]{1,64}(?:\/[A-Za-z0-9_-]{1,64}){0,7}$/.test(prefix))
    throw new TypeError('topicPrefix is 1 to 8 levels of letters, digits, "-" and "_"')
  const topic = new RegExp(`^${prefix}/${GROUP}/([pi])/${NODE}$`)
  const everybody = new RegExp(`^${prefix}/${GROUP}/p/\\+$`)
  return {
    kindOf(text) {
      const kind = topic.exec(text)?.[1]
      return kind === undefined ? undefined : kind === 'p' ? 'presence' : 'inbox'
    },
    maySubscribe: (filter) => topic.test(filter) || everybody.test(filter)
  }
}
