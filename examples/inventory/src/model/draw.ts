import { Canvas, type Colour } from './png.ts'

const size = 128

/** How an item looks: a shape in a colour, on a pale ground. */
export interface Look {
  readonly shape: 'round' | 'tall' | 'curved' | 'leafy' | 'box' | 'bottle' | 'cluster'
  readonly colour: Colour
}

/**
 * Draws a picture for an item that has none: with the look that is given, or one that follows from the name, so that every device draws the same bytes.
 * @returns a PNG file.
 */
export function drawPicture(name: string, known: Look | undefined = sampleLooks[name]): Buffer {
  const seed = [...name].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003, 7)
  const colour = known?.colour ?? colours[seed % colours.length] ?? [120, 120, 120]
  const shape = shapes[known?.shape ?? (['round', 'box', 'bottle', 'tall'] as const)[seed % 4] ?? 'round']
  const canvas = new Canvas(size, size)
  canvas.fill([243, 240, 232], () => true)
  canvas.fill([220, 213, 199], (x, y) => ellipse(x, y - 0.76, 0.6, 0.09))
  shape(canvas, colour)
  return canvas.toPng()
}

const colours: readonly Colour[] = [
  [188, 72, 64],
  [212, 140, 52],
  [110, 146, 76],
  [70, 128, 168],
  [132, 92, 150],
  [150, 116, 84]
]

const sampleLooks: Readonly<Record<string, Look>> = {
  Apples: { shape: 'round', colour: [196, 56, 48] },
  Oranges: { shape: 'round', colour: [234, 138, 40] },
  Pears: { shape: 'tall', colour: [176, 188, 72] },
  Bananas: { shape: 'curved', colour: [238, 206, 70] },
  Grapes: { shape: 'cluster', colour: [110, 66, 134] },
  Lettuce: { shape: 'leafy', colour: [124, 176, 84] },
  Milk: { shape: 'box', colour: [92, 140, 194] },
  'Olive oil': { shape: 'bottle', colour: [122, 132, 52] }
}

const ellipse = (x: number, y: number, width: number, height: number): boolean => (x / width) ** 2 + (y / height) ** 2 <= 1
const stalk = (canvas: Canvas): void => {
  canvas.fill([108, 80, 50], (x, y) => Math.abs(x + 0.04 * y) < 0.035 && y > -0.85 && y < -0.5)
}

const shapes: Record<Look['shape'], (canvas: Canvas, colour: Colour) => void> = {
  round(canvas, colour) {
    stalk(canvas)
    canvas.fill([86, 138, 66], (x, y) => ellipse(x - 0.2, y + 0.64, 0.2, 0.08))
    canvas.fill(colour, (x, y) => ellipse(x, y - 0.08, 0.6, 0.58))
  },
  tall(canvas, colour) {
    stalk(canvas)
    canvas.fill(colour, (x, y) => ellipse(x, y - 0.25, 0.5, 0.45) || ellipse(x, y + 0.26, 0.29, 0.4))
  },
  curved(canvas, colour) {
    canvas.fill(colour, (x, y) => ellipse(x, y, 0.72, 0.62) && !ellipse(x, y + 0.42, 0.86, 0.62))
  },
  leafy(canvas, colour) {
    for (const turn of [0.15, 0.85, 0.32, 0.68, 0.5]) {
      const angle = Math.PI * turn
      const leaf: Colour = turn === 0.32 || turn === 0.68 ? [88, 140, 64] : colour
      canvas.fill(leaf, (x, y) => ellipse(x - 0.4 * Math.cos(angle), y + 0.4 * Math.sin(angle) - 0.1, 0.3, 0.42))
    }
    canvas.fill([225, 232, 205], (x, y) => ellipse(x, y - 0.4, 0.24, 0.3))
  },
  box(canvas, colour) {
    canvas.fill(colour, (x, y) => Math.abs(x) < 0.46 && y > -0.6 && y < 0.74)
    canvas.fill([250, 248, 242], (x, y) => Math.abs(x) < 0.36 && Math.abs(y - 0.12) < 0.26)
    canvas.fill(colour, (x, y) => ellipse(x, y - 0.12, 0.16, 0.16))
  },
  bottle(canvas, colour) {
    canvas.fill(
      colour,
      (x, y) => (Math.abs(x) < 0.3 && y > -0.2 && y < 0.74) || ellipse(x, y + 0.2, 0.3, 0.22) || (Math.abs(x) < 0.11 && y > -0.8 && y < 0)
    )
    canvas.fill([226, 216, 182], (x, y) => Math.abs(x) < 0.22 && Math.abs(y - 0.3) < 0.17)
  },
  cluster(canvas, colour) {
    stalk(canvas)
    for (let row = 0; row < 4; row++)
      for (let index = 0; index <= 3 - row; index++)
        canvas.fill(colour, (x, y) => ellipse(x - (index - (3 - row) / 2) * 0.32, y + 0.42 - row * 0.31, 0.18, 0.18))
  }
}
