import { crc32, deflateSync } from 'node:zlib'

/** A picture being drawn: `width × height` pixels of 8-bit red, green, blue. */
export class Canvas {
  readonly width: number
  readonly height: number
  readonly #pixels: Uint8Array

  constructor(width: number, height: number) {
    this.width = width
    this.height = height
    this.#pixels = new Uint8Array(width * height * 3)
  }

  /** Colours every pixel whose centre satisfies `inside`; coordinates run from -1 to 1, y downwards. */
  fill(colour: Colour, inside: (x: number, y: number) => boolean): void {
    for (let row = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column++) {
        const x = ((column + 0.5) / this.width) * 2 - 1
        const y = ((row + 0.5) / this.height) * 2 - 1
        if (inside(x, y)) this.#pixels.set(shade(colour, x, y), (row * this.width + column) * 3)
      }
    }
  }

  /** The picture as a PNG file (W3C PNG, colour type 2, 8 bits, filter 0). */
  toPng(): Buffer {
    const rows = Buffer.alloc((this.width * 3 + 1) * this.height)
    for (let row = 0; row < this.height; row++) {
      rows.set(this.#pixels.subarray(row * this.width * 3, (row + 1) * this.width * 3), row * (this.width * 3 + 1) + 1)
    }
    const header = Buffer.alloc(13)
    header.writeUInt32BE(this.width, 0)
    header.writeUInt32BE(this.height, 4)
    header.set([8, 2, 0, 0, 0], 8)
    return Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(rows)),
      chunk('IEND', Buffer.alloc(0))
    ])
  }
}

export type Colour = readonly [red: number, green: number, blue: number]

function shade(colour: Colour, x: number, y: number): number[] {
  const light = 1.03 - (0.1 * (x + y)) / 2
  return colour.map((part) => Math.max(0, Math.min(255, Math.round(part * light))))
}

function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(typed.length + 8)
  framed.writeUInt32BE(data.length, 0)
  typed.copy(framed, 4)
  framed.writeUInt32BE(crc32(typed), typed.length + 4)
  return framed
}
