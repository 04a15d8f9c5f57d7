// The links of a mesh as a picture: the peers on a circle in the order of their ids, which is that of the first ring.
import { degreesOf, linksOf } from '@kithmesh/testkit/sim'

const SIZE = 1000
const colours = ['#b03a2e', '#ca6f1e', '#b7950b', '#1e8449', '#117a65', '#2471a3', '#6c3483']

/** SVG text. Peers that are gone are grey; the others are coloured by their number of links, and each link by how far it reaches. */
export function drawing(simulation) {
  const peers = [...simulation.peers].sort((a, b) => (a.id < b.id ? -1 : 1))
  const links = linksOf(peers)
  const radius = SIZE / 2 - 60
  const dot = Math.max(1.5, Math.min(9, (radius * 2.2) / peers.length))
  const place = peers.map((_, index) => {
    const angle = (2 * Math.PI * index) / peers.length - Math.PI / 2
    return [SIZE / 2 + radius * Math.cos(angle), SIZE / 2 + radius * Math.sin(angle)].map((value) => value.toFixed(1))
  })
  const lines = links.flatMap((own, index) =>
    own
      .filter((other) => other > index)
      .map((other) => {
        const steps = Math.min(other - index, peers.length - (other - index))
        const near = steps <= 2
        return `<line x1="${place[index][0]}" y1="${place[index][1]}" x2="${place[other][0]}" y2="${place[other][1]}" stroke="${near ? '#1f4e79' : '#7f8c8d'}" stroke-width="${near ? 1.6 : 0.7}" stroke-opacity="${near ? 0.9 : Math.max(0.15, Math.min(0.6, 60 / peers.length))}"/>`
      })
  )
  const dots = peers.map((peer, index) => {
    const degree = links[index].length
    const colour = peer.running ? colours[Math.min(degree, colours.length - 1)] : '#d5d8dc'
    return `<circle cx="${place[index][0]}" cy="${place[index][1]}" r="${dot.toFixed(1)}" fill="${colour}"><title>${peer.name}: ${peer.running ? `${degree} links` : 'gone'}</title></circle>`
  })
  const running = peers.filter((peer) => peer.running)
  const { min, median, max } = degreesOf(linksOf(running))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE} ${SIZE}" font-family="sans-serif" font-size="20">
<title>The links of a simulated mesh: its peers on a circle, a line for each link</title>
<style>@media (prefers-color-scheme:dark){svg{fill:#dce6f0}[fill="#ffffff"]{fill:#10171f}[stroke="#1f4e79"]{stroke:#8fbce6}[fill="#117a65"]{fill:#3fb79b}[fill="#1e8449"]{fill:#56c47f}}</style>
<rect width="${SIZE}" height="${SIZE}" fill="#ffffff"/>
${lines.join('\n')}
${dots.join('\n')}
<text x="20" y="34">${running.length} of ${peers.length} peers, ${lines.length} links, ${min} to ${max} each (median ${median}); seed ${simulation.seed}, ${(simulation.time.now / 1000).toFixed(1)} s</text>
</svg>
`
}
