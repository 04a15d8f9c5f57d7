import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or closes with, see docs/errors.md. */
export const webSocketErrors = defineErrors({
  ERR_WS_TIMEOUT: {
    when: 'The server did not answer the WebSocket upgrade before the deadline.',
    hint: 'Something listens there but does not answer; check the URL and whether the server is overloaded.'
  },
  ERR_WS_HTTP: {
    when: 'The server answered the WebSocket upgrade with an HTTP status; `details.status` and `details.body` say which.',
    hint: "Check the URL's path, user name and password."
  },
  ERR_WS_PROTOCOL: {
    when: 'The server chose no sub-protocol or one that was not offered.',
    hint: 'Both sides must know a common version of the replication protocol.'
  },
  ERR_WS_HANDSHAKE: {
    when: 'The WebSocket upgrade failed, or the connection ended before it was answered.',
    hint: 'Check that the URL leads to a WebSocket server; a server that refuses our certificate also just hangs up.'
  },
  ERR_WS_MESSAGE_TOO_LARGE: {
    when: 'The peer sent a message above the limit; the connection is closed with 1009.',
    hint: 'Raise maxMessageBytes on this side if such messages are wanted.'
  },
  ERR_WS_FRAME: {
    when: 'The peer broke the WebSocket protocol.',
    hint: 'The other side, or something between, is not a proper WebSocket implementation.'
  },
  ERR_WS_TEXT: {
    when: 'The peer sent a text message; the connection is closed with 1003.',
    hint: 'Only binary messages carry the replication protocol.'
  },
  ERR_WS_PONG_TIMEOUT: { when: 'The peer answered no ping in time.', hint: 'The network between is gone, or the peer hangs.' },
  ERR_WS_CLOSE_TIMEOUT: {
    when: 'The peer did not answer the closing handshake within five seconds.',
    hint: 'Nothing to do: the connection was cut.'
  },
  ERR_WS_CONNECTION: {
    when: 'The connection beneath failed; the cause says how.',
    hint: 'The network was interrupted or the peer ended abruptly.'
  },
  ERR_WS_HANDLER: {
    when: 'The code that receives messages threw an exception; the connection was cut.',
    hint: 'A defect in the receiver: see the cause.'
  }
})
