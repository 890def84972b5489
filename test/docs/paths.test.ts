/** Protects the maps: every file and folder that ARCHITECTURE.md, CONTRIBUTING.md and HACKING.md name exists. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const rooms = ['src', 'cpp', 'binding', 'test', 'bench', 'docs', 'examples', 'scripts']

/** Paths in backquotes that start in a room of the house and hold no placeholder. */
function pathsOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8')
  const quoted = Array.from(text.matchAll(/`([\w./-]+)`/g), ([, path]) => path ?? '')
  return quoted.filter((path) => rooms.includes(path.split('/')[0] ?? '') && path.includes('/'))
}

const named = ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'HACKING.md'].flatMap((page) =>
  pathsOf(page).map((path) => [page, path] as const),
)

test('the pages name enough files for this test to mean something', () => {
  expect(named.length).toBeGreaterThan(30)
})

test.each(named)('%s names %s, which exists', (_, path) => {
  expect(existsSync(join(root, path))).toBe(true)
})
