import { runCreatePlugin } from './program.ts'

const { stdin, stdout, stderr } = process
process.exitCode = await runCreatePlugin(process.argv.slice(2), { stdin, stdout, stderr, interactive: stdin.isTTY && stdout.isTTY })
