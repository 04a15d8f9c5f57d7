/** Longest side of a picture in the list, in pixels. */
const SIDE = 480

/** A photo made small enough to travel: at most {@link SIDE} pixels a side, as JPEG. What is small already stays as it is. */
export async function shrinkPicture(file: Blob): Promise<Blob> {
  const picture = await createImageBitmap(file).catch(() => undefined)
  if (picture === undefined) throw new Error('That file is no picture this browser can read.')
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height))
  if (scale === 1 && file.size < 200_000) return file
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(picture.width * scale))
  canvas.height = Math.max(1, Math.round(picture.height * scale))
  const context = canvas.getContext('2d')
  // JPEG has no transparency; what was transparent becomes white.
  if (context !== null) {
    context.fillStyle = '#fff'
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.drawImage(picture, 0, 0, canvas.width, canvas.height)
  }
  return await new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob === null ? reject(new Error('The picture cannot be made smaller.')) : resolve(blob)), 'image/jpeg', 0.85)
  })
}
