// Running other programs from the project's scripts.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The folder of the checkout, without a slash at the end. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

/**
 * Runs a program to its end and gives back its exit code; the code is 127 when it could not be started and 128 + 15 when a signal ended it.
 * `output` says where what it prints goes: 'inherit', 'stderr' (all of it to standard error) or 'collect' (returned as `text`).
 */
export function run(command, args, { cwd = root, env = {}, output = 'inherit', input = 'inherit', timeoutMs } = {}) {
  const stdio = { inherit: [input, 'inherit', 'inherit'], stderr: ['ignore', 2, 2], collect: ['ignore', 'pipe', 'pipe'] }[output]
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio,
      shell: process.platform === 'win32' && command === 'npm'
    })
    const chunks = []
    child.stdout?.on('data', (chunk) => chunks.push(chunk))
    child.stderr?.on('data', (chunk) => chunks.push(chunk))
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    const end = (code) => {
      clearTimeout(timer)
      resolve({ code, text: Buffer.concat(chunks).toString() })
    }
    child.on('error', (error) => {
      chunks.push(Buffer.from(`${command} could not be started: ${error.message}\n`))
      end(127)
    })
    child.on('close', (code) => end(code ?? 143))
  })
}

/** Runs the JavaScript file of an installed tool with the running node. `path` is relative to the checkout, such as 'node_modules/mocha/bin/mocha.js'. */
export function runTool(path, args, options) {
  return run(process.execPath, [`${root}/${path}`, ...args], options)
}

/** Runs the npm that started this script, or the one on the PATH. */
export function runNpm(args, options) {
  const cli = process.env.npm_execpath
  return cli?.endsWith('.js') ? run(process.execPath, [cli, ...args], options) : run('npm', args, options)
}
