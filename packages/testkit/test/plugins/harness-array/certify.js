export const providers = [{ factory: {}, create() {} }]
