import { Canvas, type Colour } from './png.ts'

/** How an item looks: a shape on a pale ground. */
export interface Look {
  readonly shape: 'round' | 'pear' | 'long' | 'leafy' | 'box' | 'bottle' | 'cluster'
  readonly colour: Colour
}

const size = 160
const leaf: Colour = [84, 140, 62]

/** Draws an item's picture and returns it as a PNG file. */
export function drawPicture(look: Look): Buffer {
  const canvas = new Canvas(size, size)
  canvas.fill([244, 240, 230], () => true)
  canvas.fill([214, 206, 190], (x, y) => ellipse(x, y - 0.72, 0.62, 0.1))
  shapes[look.shape](canvas, look.colour)
  return canvas.toPng()
}

const ellipse = (x: number, y: number, width: number, height: number): boolean => (x / width) ** 2 + (y / height) ** 2 <= 1
const stalk = (canvas: Canvas, top: number): void => {
  canvas.fill([110, 78, 48], (x, y) => Math.abs(x - 0.04 * (top - y)) < 0.035 && y > top && y < top + 0.3)
}

const shapes: Record<Look['shape'], (canvas: Canvas, colour: Colour) => void> = {
  round(canvas, colour) {
    stalk(canvas, -0.75)
    canvas.fill(leaf, (x, y) => ellipse(x - 0.2, y + 0.6, 0.22, 0.09))
    canvas.fill(colour, (x, y) => ellipse(x, y - 0.08, 0.6, 0.58))
  },
  pear(canvas, colour) {
    stalk(canvas, -0.85)
    canvas.fill(colour, (x, y) => ellipse(x, y - 0.25, 0.52, 0.45) || ellipse(x, y + 0.28, 0.3, 0.4))
  },
  long(canvas, colour) {
    canvas.fill(colour, (x, y) => ellipse(x, y, 0.75, 0.62) && !ellipse(x, y + 0.38, 0.78, 0.62))
    canvas.fill([96, 74, 40], (x, y) => ellipse(x - 0.7, y - 0.03, 0.07, 0.07))
  },
  leafy(canvas, colour) {
    for (let turn = 0; turn < 5; turn++) {
      const angle = Math.PI * (0.15 + 0.175 * turn)
      canvas.fill(turn % 2 === 0 ? colour : leaf, (x, y) => ellipse(x - 0.4 * Math.cos(angle), y + 0.4 * Math.sin(angle) - 0.1, 0.3, 0.42))
    }
    canvas.fill([225, 232, 205], (x, y) => ellipse(x, y - 0.4, 0.24, 0.3))
  },
  box(canvas, colour) {
    canvas.fill(colour, (x, y) => Math.abs(x) < 0.52 && y > -0.5 && y < 0.7)
    canvas.fill([250, 248, 242], (x, y) => Math.abs(x) < 0.4 && Math.abs(y - 0.1) < 0.24)
    canvas.fill(colour, (x, y) => ellipse(x, y - 0.1, 0.16, 0.16))
  },
  bottle(canvas, colour) {
    canvas.fill(
      colour,
      (x, y) =>
        (Math.abs(x) < 0.32 && y > -0.25 && y < 0.7) || ellipse(x, y + 0.25, 0.32, 0.2) || (Math.abs(x) < 0.12 && y > -0.75 && y < 0)
    )
    canvas.fill([240, 236, 224], (x, y) => Math.abs(x) < 0.32 && Math.abs(y - 0.25) < 0.2)
    canvas.fill([150, 60, 50], (x, y) => Math.abs(x) < 0.13 && y > -0.85 && y < -0.7)
  },
  cluster(canvas, colour) {
    stalk(canvas, -0.85)
    for (let row = 0; row < 4; row++) {
      for (let index = 0; index <= 3 - row; index++) {
        canvas.fill(colour, (x, y) => ellipse(x - (index - (3 - row) / 2) * 0.32, y + 0.4 - row * 0.3, 0.18, 0.18))
      }
    }
  }
}
