// Makes the JavaScript of the package: one bundle (dist/lib/int8.js), minified but for the names of functions and classes,
// which stand in stack traces and errors, and small files that open it. Part of `npm run compile:ts`.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const bundle = join(root, 'dist/lib/int8.js')

await build({
  entryPoints: [join(root, 'src/lib.ts')],
  outfile: bundle,
  bundle: true,
  minify: true,
  keepNames: true,
  // Node prints the line of an error that nobody caught.
  lineLimit: 160,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  packages: 'external',
  external: ['*.node'],
  legalComments: 'none',
  logLevel: 'warning',
})

const lib = createRequire(import.meta.url)(bundle)

/** Writes a file of dist/ that opens the bundle. */
function write(name, text) {
  const path = join(root, 'dist', name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

// One assignment for each name: that is how Node learns what `import { … }` may take.
for (const entry of ['index', 'onnx']) {
  const names = Object.keys(lib[entry])
  const lines = names.map((name) => `exports.${name} = lib.${name}`)
  write(`${entry}.js`, `'use strict'\nconst lib = require('./lib/int8.js').${entry}\n${lines.join('\n')}\n`)
}
write('lib/worker.js', `'use strict'\nrequire('./int8.js').startWorker()\n`)
const program = `#!/usr/bin/env node\n'use strict'\nvoid require('../lib/int8.js').main(process.argv.slice(2))\n`
chmodSync(write('cli/main.js', program), 0o755)
