import type { Look } from '@kithmesh-examples/inventory/pictures'

/** One thing on the shelf, as the inventory sample lists it (seed 004: a picture, a key and a value), with a price. */
export interface Item {
  readonly type: 'item'
  readonly name: string
  /** Pieces in stock. */
  readonly quantity: number
  /** In cents. */
  readonly price: number
  /** A blob: `{ "@type": "blob", digest, length, content_type }`. */
  readonly picture?: unknown
}

/** What the warehouse starts with. */
export const sample: readonly {
  readonly id: string
  readonly name: string
  readonly quantity: number
  readonly price: number
  readonly look: Look
}[] = [
  { id: 'item:apples', name: 'Apples', quantity: 110, price: 45, look: { shape: 'round', colour: [196, 52, 44] } },
  { id: 'item:oranges', name: 'Oranges', quantity: 90, price: 55, look: { shape: 'round', colour: [236, 138, 36] } },
  { id: 'item:pears', name: 'Pears', quantity: 75, price: 60, look: { shape: 'tall', colour: [176, 190, 70] } },
  { id: 'item:bananas', name: 'Bananas', quantity: 140, price: 30, look: { shape: 'curved', colour: [240, 208, 66] } },
  { id: 'item:grapes', name: 'Grapes', quantity: 40, price: 220, look: { shape: 'cluster', colour: [108, 62, 132] } },
  { id: 'item:lettuce', name: 'Lettuce', quantity: 35, price: 95, look: { shape: 'leafy', colour: [122, 178, 82] } },
  { id: 'item:spinach', name: 'Spinach', quantity: 25, price: 180, look: { shape: 'leafy', colour: [58, 122, 66] } },
  { id: 'item:tomatoes', name: 'Tomatoes', quantity: 130, price: 35, look: { shape: 'round', colour: [214, 66, 48] } },
  { id: 'item:milk', name: 'Milk', quantity: 60, price: 125, look: { shape: 'box', colour: [92, 142, 196] } },
  { id: 'item:tea', name: 'Tea', quantity: 48, price: 340, look: { shape: 'box', colour: [96, 128, 88] } },
  { id: 'item:olive-oil', name: 'Olive oil', quantity: 20, price: 890, look: { shape: 'bottle', colour: [120, 132, 48] } },
  { id: 'item:vinegar', name: 'Vinegar', quantity: 18, price: 410, look: { shape: 'bottle', colour: [142, 74, 60] } }
]
