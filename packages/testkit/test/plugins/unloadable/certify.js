export const providers = { empty: {} }
