export const provider = { misnamed: { factory: {}, create() {} } }
