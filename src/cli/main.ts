/** The program `int8`: finds the command and says what went wrong in one line. */
import { Int8Error } from '../errors'
import type { Command } from './command'
import { bench } from './commands/bench'
import { inspect } from './commands/inspect'
import { quantize } from './commands/quantize'
import { run } from './commands/run'
import { verify } from './commands/verify'
import { print, UsageError } from './usage'

const commands: Readonly<Record<string, Command>> = { quantize, run, bench, inspect, verify }

const usage = `Quantizes ONNX models to int8 and runs them.

Usage: int8 COMMAND …

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join('\n')}

int8 COMMAND --help tells more. Exit codes: 0 done, 1 failed, 2 called in a wrong way.`

async function dispatch([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(usage)
    return name === undefined ? 2 : 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new UsageError(`there is no command "${name}": ${Object.keys(commands).join(', ')}`)
  if (args.includes('--help') || args.includes('-h')) {
    print(command.help)
    return 0
  }
  return command.run(args)
}

/** A fault of the call, of a file or of a model; anything else is a defect of the program, and keeps its stack. */
function describe(error: unknown): { readonly code: number; readonly text: string } {
  if (!(error instanceof Error)) return { code: 1, text: String(error) }
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true)
    return { code: 2, text: `int8: ${error.message}` }
  if (error instanceof Int8Error || (error as NodeJS.ErrnoException).syscall !== undefined)
    return { code: 1, text: `${error instanceof Int8Error ? error.name : 'int8'}: ${error.message}` }
  return { code: 1, text: error.stack ?? error.message }
}

/** Runs the command that the arguments name, and sets the process's exit code. */
export async function main(args: string[]): Promise<void> {
  // Whoever reads the output may have enough of it: `int8 inspect … | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
  try {
    process.exitCode = await dispatch(args)
  } catch (error) {
    const { code, text } = describe(error)
    process.stderr.write(`${text}\n`)
    process.exitCode = code
  }
}
