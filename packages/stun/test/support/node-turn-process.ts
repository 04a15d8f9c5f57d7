// node node-turn-process.js PORT: node-turn on 127.0.64.3, with one user.
// @ts-expect-error: it has no types
import NodeTurn from 'node-turn'

new NodeTurn({
  listeningIps: ['127.0.64.3'],
  relayIps: ['127.0.64.3'],
  listeningPort: Number(process.argv[2]),
  authMech: 'long-term',
  realm: 'kithmesh',
  credentials: { user: 'secret' },
  debugLevel: 'OFF'
}).start()
