/** The name of a device on the network, without `.local`: letters, digits and hyphens. */
export function hostNameOf(deviceName: string): string {
  const plain = deviceName
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-|-$/g, '')
  return `inventory-${plain === '' ? 'peer' : plain}`
}

/** What its certificate is made out to, for clients that check host names. */
export function altNamesOf(deviceName: string): string[] {
  return [`${hostNameOf(deviceName)}.local`, 'localhost', '127.0.0.1']
}
