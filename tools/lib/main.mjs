// The frame of the project's scripts: an expected failure is one clear line and exit code 1.

/** Runs `body`; its result is the exit code (nothing means 0). An error is printed on standard error. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n`)
    process.exitCode = 1
  }
}
