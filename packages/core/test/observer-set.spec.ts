import { expect } from 'chai'
import { ObserverSet } from '../dist/observer-set.js'
import { recordingLogger } from '@kithmesh/testkit'
import { logged, settle } from './fakes.ts'

interface Observer {
  happened?(what: string): void
  batch?(items: readonly string[]): void
  asked?(question: string): boolean
}

function subject() {
  const logger = recordingLogger()
  const observers = new ObserverSet<Observer>(logger, { batch: ([earlier], [later]) => [[...earlier, ...later]] })
  return { logger, observers }
}

describe('ObserverSet', () => {
  it('delivers later, in order, to observers in the order of registration', async () => {
    const { observers } = subject()
    const calls: string[] = []
    observers.add({
      happened: (what) => {
        calls.push(`1 ${what}`)
      }
    })
    observers.add({})
    observers.add({
      happened: (what) => {
        calls.push(`2 ${what}`)
      }
    })
    observers.notify('happened', 'a')
    observers.notify('happened', 'b')
    expect(calls).to.deep.equal([])
    await observers.idle()
    expect(calls).to.deep.equal(['1 a', '2 a', '1 b', '2 b'])
  })

  it('does not deliver what an observer causes from inside its call', async () => {
    const { observers } = subject()
    const calls: string[] = []
    observers.add({
      happened: (what) => {
        calls.push(`begin ${what}`)
        if (what === 'a') observers.notify('happened', 'b')
        calls.push(`end ${what}`)
      }
    })
    observers.notify('happened', 'a')
    await observers.idle()
    expect(calls).to.deep.equal(['begin a', 'end a', 'begin b', 'end b'])
  })

  it('isolates observers that throw or reject, and reports each once', async () => {
    const { observers, logger } = subject()
    const calls: string[] = []
    observers.add({
      happened: () => {
        throw new Error('bad')
      }
    })
    observers.add({
      happened: async () => {
        await Promise.resolve()
        throw new Error('bad later')
      }
    })
    observers.add({
      happened: (what) => {
        calls.push(what)
      }
    })
    for (const what of ['a', 'b', 'c']) observers.notify('happened', what)
    await settle()
    expect(calls).to.deep.equal(['a', 'b', 'c'])
    expect(logged(logger, 'error')).to.have.length(2)
    expect(logged(logger, 'debug')).to.have.length(4)
  })

  it('calls nobody after the removal, also when it is removed during a delivery', async () => {
    const { observers } = subject()
    const calls: string[] = []
    const second: Observer = {
      happened: (what) => {
        calls.push(`2 ${what}`)
      }
    }
    observers.add({
      happened: (what) => {
        calls.push(`1 ${what}`)
        observers.remove(second)
      }
    })
    observers.add(second)
    observers.notify('happened', 'a')
    await observers.idle()
    expect(calls).to.deep.equal(['1 a'])
    const third: Observer = {
      happened: (what) => {
        calls.push(`3 ${what}`)
      }
    }
    const remove = observers.add(third)
    observers.notify('happened', 'b')
    remove()
    remove()
    await observers.idle()
    expect(calls).to.deep.equal(['1 a', '1 b'])
  })

  it('tells an observer nothing from before its registration', async () => {
    const { observers } = subject()
    const calls: string[] = []
    const late: Observer = {
      happened: (what) => {
        calls.push(what)
      }
    }
    observers.add({
      happened: () => {
        observers.add(late)
      }
    })
    observers.notify('happened', 'a')
    await observers.idle()
    observers.notify('happened', 'b')
    const remove = observers.add(late)
    remove()
    observers.add(late)
    await observers.idle()
    expect(calls).to.deep.equal([])
    observers.notify('happened', 'c')
    await observers.idle()
    expect(calls).to.deep.equal(['c'])
  })

  it('registers an observer once', async () => {
    const { observers } = subject()
    let calls = 0
    const observer: Observer = {
      happened: () => {
        calls++
      }
    }
    observers.add(observer)
    observers.add(observer)
    observers.notify('happened', 'a')
    await observers.idle()
    expect(calls).to.equal(1)
  })

  it('merges calls in a row, but not across others nor across registrations', async () => {
    const { observers } = subject()
    const calls: string[] = []
    const recorder = (name: string): Observer => ({
      batch: (items) => {
        calls.push(`${name}:${items.join('')}`)
      },
      happened: (what) => {
        calls.push(`${name}:${what}`)
      }
    })
    observers.add(recorder('1'))
    observers.notify('batch', ['a'])
    observers.notify('batch', ['b', 'c'])
    observers.notify('happened', '!')
    observers.notify('batch', ['d'])
    observers.add(recorder('2'))
    observers.notify('batch', ['e'])
    await observers.idle()
    expect(calls).to.deep.equal(['1:abc', '1:!', '1:d', '1:e', '2:e'])
  })

  it('asks in order until one says yes; a failure is a no', () => {
    const { observers, logger } = subject()
    const asked: number[] = []
    const answer = (number: number, says: () => unknown): Observer => ({
      asked: () => {
        asked.push(number)
        return says() as boolean
      }
    })
    observers.add(answer(1, () => false))
    observers.add(
      answer(2, () => {
        throw new Error('bad')
      })
    )
    observers.add(answer(3, () => 'yes'))
    observers.add({})
    observers.add(answer(4, () => true))
    observers.add(answer(5, () => true))
    expect(observers.ask('asked', '?')).to.equal(true)
    expect(asked).to.deep.equal([1, 2, 3, 4])
    expect(logged(logger, 'error')).to.have.length(1)
  })

  it('says no when nobody is there', () => {
    expect(subject().observers.ask('asked', '?')).to.equal(false)
  })
})
