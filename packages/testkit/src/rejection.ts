import { AssertionError } from 'node:assert'

/**
 * The error that a promise rejects with, to look at what it says.
 * @throws AssertionError when the promise resolves.
 */
export async function rejection(
  promise: Promise<unknown>
): Promise<Error & { readonly code?: string; readonly hint?: string; readonly details?: Readonly<Record<string, unknown>> }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new AssertionError({ message: 'A promise that was to reject has resolved' })
}
