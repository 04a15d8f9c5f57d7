// node node-turn-process.js PORT: node-turn on 127.0.0.1, with one user.
// @ts-expect-error: it has no types
import NodeTurn from 'node-turn'

new NodeTurn({
  listeningIps: ['127.0.0.1'],
  relayIps: ['127.0.0.1'],
  listeningPort: Number(process.argv[2]),
  authMech: 'long-term',
  realm: 'kithmesh',
  credentials: { user: 'secret' },
  debugLevel: 'OFF'
}).start()
