import type { HciAdapter } from '@kithmesh/provider-ble'

/** What a kernel has told its controller before programs come: which events it wants. */
const KERNEL = ['01010c08ffffffffffffff3f', '010120081f00000000000000']

/** An adapter that a kernel has taken into use before, as far as a program notices; not the kernel's own L2CAP. */
export function sharedAdapter(adapter: HciAdapter): HciAdapter {
  return {
    get description() {
      return adapter.description
    },
    async open(handlers, options) {
      let ofKernel = KERNEL.length
      let answered = (): void => {}
      const ready = new Promise<void>((resolve) => {
        answered = resolve
      })
      const port = await adapter.open(
        {
          packet: (packet) => {
            if (ofKernel === 0) handlers.packet(packet)
            else if (--ofKernel === 0) answered()
            else port.send(Buffer.from(KERNEL[KERNEL.length - ofKernel]!, 'hex'))
          },
          closed: (error) => {
            answered()
            handlers.closed(error)
          }
        },
        options
      )
      port.send(Buffer.from(KERNEL[0]!, 'hex'))
      await ready
      return port
    }
  }
}
