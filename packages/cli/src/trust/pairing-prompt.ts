import { createInterface } from 'node:readline'
import type { PairingOptions, PairingPeer } from '@kithmesh/identity'
import { type Io, jsonLine } from '../io.ts'
import { printable } from '../printable.ts'

/** Shows the questions of pairing, and reads the answers. */
export interface PairingPrompt {
  readonly confirm: PairingOptions['confirm']
  /** Reads no more; what is asked then is answered with no. */
  close(): void
}

interface Question {
  readonly peer: PairingPeer
  answer(equal: boolean): void
}

/**
 * Asks on stderr and reads answers from stdin: `y` or `yes`, and anything else is no. With `json` the question is an event on stdout,
 * `{"event":"pairing","device":…,"name":…,"code":"482913","known":false}`, and the answer a line `yes <device>` or `no <device>`; when the question is settled otherwise, there is
 * an event `pairing-over`. When stdin ends, the answer is no.
 */
export function pairingPrompt(io: Io, json: boolean): PairingPrompt {
  const lines = createInterface({ input: io.stdin, crlfDelay: Infinity })
  let question: Question | undefined
  let ended = false
  lines.on('line', (text) => {
    if (question === undefined) return
    const [word = '', device] = text.trim().toLowerCase().split(/\s+/)
    // An answer to an earlier question is none to this one.
    if (json ? device !== question.peer.peerId || !['yes', 'no'].includes(word) : word === '') return
    question.answer(word === 'yes' || (!json && word === 'y'))
  })
  lines.on('close', () => {
    ended = true
    question?.answer(false)
  })
  return {
    confirm: (code, peer, { signal }) =>
      new Promise((resolve) => {
        const settle = (equal: boolean, told: string | undefined): void => {
          question = undefined
          signal.removeEventListener('abort', withdrawn)
          if (json && told !== undefined) jsonLine(io, { event: 'pairing-over', device: peer.peerId, reason: told })
          else if (told !== undefined) io.stderr.write(`\n${told}\n`)
          resolve(equal)
        }
        const withdrawn = (): void => {
          const { reason } = signal as { readonly reason: unknown }
          settle(false, `not paired: ${reason instanceof Error ? printable(reason.message) : 'it is over'}`)
        }
        ask(io, json, code, peer)
        if (ended) {
          settle(false, 'not paired: nobody can answer, as the input has ended')
          return
        }
        question = {
          peer,
          answer: (equal) => {
            settle(equal, ended ? 'not paired: the input has ended' : undefined)
          }
        }
        signal.addEventListener('abort', withdrawn, { once: true })
        if (signal.aborted) withdrawn()
      }),
    close: () => {
      lines.close()
    }
  }
}

function ask(io: Io, json: boolean, code: string, { peerId, name, known }: PairingPeer): void {
  if (json) {
    jsonLine(io, { event: 'pairing', device: peerId, name: printable(name), code, known })
    return
  }
  const again = known ? ', which knew this one before and has forgotten it,' : ''
  io.stderr.write(
    `\nPair with ${JSON.stringify(printable(name))} (${peerId.slice(0, 8)})${again}? It must show the same code:\n\n    ${code.slice(0, 3)} ${code.slice(3)}\n\nIs it the same? [y/N] `
  )
}
