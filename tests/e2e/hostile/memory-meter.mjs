// What this process holds, looked at again and again.
const held = () => {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Starts looking; the returned function ends it and says by how many bytes memory had grown at the most. */
export function meter() {
  globalThis.gc?.()
  const before = held()
  let most = before
  const look = () => {
    most = Math.max(most, held())
  }
  const timer = setInterval(look, 2)
  return () => {
    look()
    clearInterval(timer)
    return most - before
  }
}
