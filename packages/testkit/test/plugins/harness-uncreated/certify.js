export const providers = { uncreated: { factory: { capabilities: {} } } }
