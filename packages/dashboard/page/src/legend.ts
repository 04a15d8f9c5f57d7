// What the colours and dashes of the graph mean: only those that are in it.
import { el, fill, svg } from './dom.ts'
import type { GraphModel } from './graph-model.ts'
import { lookOf } from './palette.ts'

export class Legend {
  readonly root = el('ul', { class: 'legend', 'aria-label': 'What the lines mean' })
  #shown = ''

  show({ nodes, edges }: GraphModel): void {
    const entries: { readonly classes: string; readonly label: string; readonly title: string }[] = []
    const add = (classes: string, label: string, title: string): void => {
      if (!entries.some((entry) => entry.classes === classes && entry.label === label)) entries.push({ classes, label, title })
    }
    const links = edges.filter(({ kind }) => kind === 'link')
    for (const { device } of links) {
      const look = lookOf(device?.transport ?? null)
      add(`edge link route-${look.colour} quality-direct`, look.label, look.explanation)
    }
    entries.sort((a, b) => (a.classes < b.classes ? -1 : 1))
    if (links.some(({ device }) => device?.quality === 'relayed'))
      add('edge link route-plain quality-relayed', 'Relayed', 'A better route is looked for all the time.')
    if (links.some(({ device }) => device?.quality === 'last-resort'))
      add('edge link route-plain quality-last-resort', 'Last resort', 'Slow; a better route is looked for all the time.')
    if (edges.some(({ kind }) => kind === 'attempt')) add('edge attempt', 'Connecting', '')
    if (edges.some(({ kind }) => kind === 'far')) add('edge far', 'Between others', 'As they told, a few seconds ago.')
    const unlinked = nodes.some(({ kind }) => kind === 'seen' || kind === 'known')
    const key = JSON.stringify([entries, unlinked])
    if (key === this.#shown) return
    this.#shown = key
    fill(
      this.root,
      ...entries.map(({ classes, label, title }) =>
        el(
          'li',
          { title: title === '' ? null : title },
          svg(
            'svg',
            { width: 30, height: 10, 'aria-hidden': 'true' },
            svg('g', { class: classes }, svg('line', { class: 'line', x1: 1, y1: 5, x2: 29, y2: 5 }))
          ),
          label
        )
      ),
      unlinked &&
        el(
          'li',
          {},
          svg(
            'svg',
            { width: 16, height: 16, 'aria-hidden': 'true' },
            svg('g', { class: 'node seen tone-quiet' }, svg('circle', { class: 'disc', r: 6, cx: 8, cy: 8 }))
          ),
          'Not connected'
        ),
      links.length > 0 && el('li', { class: 'soft' }, 'Wider: more moves')
    )
  }
}
