// Writes docs/operators.md from the tables in src/onnx/ops (the compiled package): `npm run compile:ts` first.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const { newestOpset, operatorNames } = require('../dist/lib/int8.js')

/** The page's text. */
export function operatorsPage() {
  const list = (domain) =>
    operatorNames(domain)
      .map((name) => `\`${name}\``)
      .join(', ')
  return (
    [
      '# ONNX operators',
      'Made from the code by `node scripts/operators.mjs`.',
      `ONNX's own domain, ${String(operatorNames('').length)} operators, operator sets to ${String(newestOpset)}:`,
      `${list('')}.`,
      `\`com.microsoft\`, ${String(operatorNames('com.microsoft').length)} operators:`,
      `${list('com.microsoft')}.`,
      '',
    ]
      .join('\n\n')
      .trimEnd() + '\n'
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('../docs/operators.md', import.meta.url), operatorsPage())
