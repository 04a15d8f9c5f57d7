import type { ItemView } from '#contracts'
import { post, upload } from './api.ts'
import { field, h } from './dom.ts'
import { openDialog } from './dialog.ts'
import { shrinkPicture } from './shrink-picture.ts'
import { attempt, toast } from './toast.ts'

/** Adds an item, or edits one: name, quantity, picture; removes it. */
export function openItemDialog(item?: ItemView): void {
  const name = h('input', { name: 'name', required: true, maxLength: 80, value: item?.name ?? '', autocomplete: 'off' })
  const quantity = h('input', { name: 'quantity', type: 'number', step: '1', required: true, value: String(item?.quantity ?? 1) })
  const preview = h('img', { className: 'preview', alt: '', hidden: item?.picture === undefined })
  if (item?.picture !== undefined) preview.src = item.picture
  const picture = h('input', { name: 'picture', type: 'file', accept: 'image/png,image/jpeg,image/gif,image/webp' })
  picture.addEventListener('change', () => {
    const file = picture.files?.[0]
    if (file === undefined) return
    preview.src = URL.createObjectURL(file)
    preview.hidden = false
  })
  const remove = h(
    'button',
    {
      type: 'button',
      className: 'danger',
      onclick: () => {
        dialog.close()
        if (item !== undefined) void removeItem(item)
      }
    },
    'Remove'
  )
  const dialog = openDialog({
    title: item === undefined ? 'Add an item' : `Edit ${item.name}`,
    submit: item === undefined ? 'Add' : 'Save',
    extra: item === undefined ? [] : [remove],
    content: [
      field('Name', name),
      field('Quantity', quantity),
      preview,
      field('Picture', picture, 'Large photos are made smaller before they are stored.')
    ],
    run: async () => {
      const file = picture.files?.[0]
      const shrunk = file === undefined ? undefined : await shrinkPicture(file)
      const values = { name: name.value, quantity: quantity.valueAsNumber }
      const id = item?.id ?? ((await post('/api/items', values)) as { id: string }).id
      if (item !== undefined) {
        // Only what was changed here: what others changed meanwhile stays.
        const changed = {
          ...(values.name !== item.name && { name: values.name }),
          ...(values.quantity !== item.quantity && { quantity: values.quantity })
        }
        await post(`/api/items/${encodeURIComponent(id)}`, changed)
      }
      if (shrunk !== undefined) await upload(`/api/items/${encodeURIComponent(id)}/picture`, shrunk)
    }
  })
}

/** Takes the item off the list, with a way back. */
async function removeItem({ id, name }: ItemView): Promise<void> {
  const path = `/api/items/${encodeURIComponent(id)}`
  if (await attempt(() => post(`${path}/remove`)))
    toast(`${name} was removed.`, { action: { label: 'Undo', run: () => void attempt(() => post(`${path}/restore`)) } })
}

/** Asks for a file and makes it the picture of the item. */
export function choosePicture(id: string): void {
  const input = h('input', { type: 'file', accept: 'image/png,image/jpeg,image/gif,image/webp' })
  input.addEventListener('change', () => {
    const file = input.files?.[0]
    if (file !== undefined) void attempt(async () => upload(`/api/items/${encodeURIComponent(id)}/picture`, await shrinkPicture(file)))
  })
  input.click()
}
