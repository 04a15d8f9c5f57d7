import type { ConflictNotice, ErrorNotice, RefusalNotice } from '../contracts.ts'

/** How many of each are kept. */
const kept = 50

/** What happened last, newest first, bounded. */
export class Notices {
  #conflicts: readonly ConflictNotice[] = []
  #errors: readonly ErrorNotice[] = []
  #refusals: readonly RefusalNotice[] = []

  get conflicts(): readonly ConflictNotice[] {
    return this.#conflicts
  }
  get errors(): readonly ErrorNotice[] {
    return this.#errors
  }
  get refusals(): readonly RefusalNotice[] {
    return this.#refusals
  }

  conflict(notice: ConflictNotice): void {
    this.#conflicts = [notice, ...this.#conflicts].slice(0, kept)
  }

  refused(notice: RefusalNotice): void {
    this.#refusals = [notice, ...this.#refusals].slice(0, kept)
  }

  /** The same as one of those that are kept is counted there, and comes first again. */
  error(notice: Omit<ErrorNotice, 'times'>): void {
    const same = this.#errors.find(
      ({ area, subject, deviceId, code, message }) =>
        area === notice.area &&
        subject === notice.subject &&
        deviceId === notice.deviceId &&
        code === notice.code &&
        message === notice.message
    )
    const others = same === undefined ? this.#errors : this.#errors.filter((each) => each !== same)
    this.#errors = [{ ...notice, times: (same?.times ?? 0) + 1 }, ...others].slice(0, kept)
  }
}
