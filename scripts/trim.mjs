// Trims the declarations in dist/ for the package: drops those that no public one leads to, and the comments of those
// that are not public themselves. Part of `npm run compile:ts`.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const files = readdirSync(dist, { recursive: true }).map((name) => join(dist, name))
const entries = ['index', 'onnx'].map((name) => join(dist, name))

const reached = new Set()
const reach = (file) => {
  if (reached.has(file)) return
  reached.add(file)
  for (const [, from] of readFileSync(file, 'utf8').matchAll(/(?:from |import\()['"](\.[^'"]*)['"]/g)) {
    const target = join(dirname(file), from)
    reach([`${target}.d.ts`, join(target, 'index.d.ts')].find(existsSync))
  }
}
for (const entry of entries) reach(`${entry}.d.ts`)
for (const file of files) {
  const declaration = file.replace(/\.map$/, '')
  if (declaration.endsWith('.d.ts') && !reached.has(declaration)) rmSync(file)
}

const program = ts.createProgram(
  entries.map((entry) => `${entry}.d.ts`),
  { module: ts.ModuleKind.CommonJS, types: [] },
)
const checker = program.getTypeChecker()
const publicFiles = new Set()
const seen = new Set()
const visit = (symbol) => {
  if (seen.has(symbol)) return
  seen.add(symbol)
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  for (const declaration of target.declarations ?? []) publicFiles.add(declaration.getSourceFile().fileName)
  if (target.flags & ts.SymbolFlags.ValueModule) checker.getExportsOfModule(target).forEach(visit)
}
for (const entry of entries) visit(checker.getSymbolAtLocation(program.getSourceFile(`${entry}.d.ts`)))
const printer = ts.createPrinter({ removeComments: true })
for (const file of reached) {
  if (publicFiles.has(file)) continue
  writeFileSync(file, printer.printFile(program.getSourceFile(file)))
  rmSync(`${file}.map`, { force: true })
}
