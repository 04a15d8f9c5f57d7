/** Resolves when `condition` holds. @throws Error after `turns` turns of the event loop. */
export async function until(condition: () => boolean, turns = 100_000): Promise<void> {
  for (let i = 0; i < turns; i++) {
    if (condition()) return
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  throw new Error('The condition did not come true')
}
