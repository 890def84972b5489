/**
 * What each binary asks of the machine it is loaded on: glibc 2.28 or later, or musl, or Windows, and no C++ library; and
 * what it shows to others: the entry points of N-API and nothing else, so that several versions can live in one process.
 *
 * Tested are the binary of `npm run compile` and all that lie in `prebuilds/`.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { builtBinary } from './install'

const root = join(__dirname, '../..')
const prebuilds = join(root, 'prebuilds')
const prebuilt = existsSync(prebuilds)
  ? readdirSync(prebuilds, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.node'))
  : []
const binaries = [builtBinary, ...prebuilt.map((name) => join(prebuilds, name))].map((path) => relative(root, path))

const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
const onLinux = process.platform === 'linux'

function objdump(path: string, ...options: string[]): string[] {
  const limits = { encoding: 'utf8', cwd: root, maxBuffer: 1 << 28 } as const
  return execFileSync('objdump', [...options, path], limits).split('\n')
}

const isElf = (path: string): boolean => objdump(path, '-f').some((line) => line.includes('file format elf'))
const firstGroups = (lines: readonly string[], pattern: RegExp): string[] =>
  lines.flatMap((line) => pattern.exec(line)?.[1] ?? [])

;(onLinux ? describe : describe.skip)('binaries for Linux', () => {
  const elf = onLinux ? binaries.filter(isElf) : []

  test.each(elf)('%s needs no symbol of glibc newer than 2.28', (path) => {
    const newer = firstGroups(objdump(path, '-T'), /GLIBC_([\d.]+)/).filter((version) => {
      const [major = 0, minor = 0] = version.split('.').map(Number)
      return major > 2 || minor > 28
    })
    expect(newer).toEqual([])
  })

  test.each(elf)('%s needs the C library and no other', (path) => {
    expect(objdump(path, '-T').filter((line) => /GLIBCXX|CXXABI|GCC_/.test(line))).toEqual([])
    const libraries = firstGroups(objdump(path, '-p'), /NEEDED\s+(\S+)/)
    expect(libraries.length).toBeGreaterThan(0)
    expect(libraries.filter((name) => !/^(libc|libm|libpthread|libdl|ld-linux[\w-]*)\.so/.test(name))).toEqual([])
  })

  test.each(elf)('%s exports the entry points of N-API and nothing else', (path) => {
    const exported = objdump(path, '-T')
      .filter((line) => /^[0-9a-f]+ [gw].*\s(\.text|\.data|\.bss|\.rodata)\s/.test(line))
      .map((line) => line.trim().split(/\s+/).at(-1))
    expect(exported.sort()).toEqual(entryPoints)
  })
})

;(onLinux ? describe : describe.skip)('binaries for Windows', () => {
  const windows = onLinux ? binaries.filter((path) => path.includes('win32-x64')) : []

  test('need nothing but the system and node.exe, and export the entry points of N-API', () => {
    for (const path of windows) {
      const headers = objdump(path, '-p')
      expect(firstGroups(headers, /DLL Name: (\S+)/).map((name) => name.toLowerCase())).toEqual([
        'kernel32.dll',
        'msvcrt.dll',
      ])
      expect(
        firstGroups(headers, /^\s*\[\s*\d+\](?: \+base\[\s*\d+\]\s+[0-9a-f]+)? (\w*napi\w*|node_api\w+)$/),
      ).toEqual(entryPoints)
    }
  })

  test('move no vector to or from memory that has to be aligned: GCC does not align the stack there', () => {
    for (const path of windows) {
      const code = objdump(path, '-d', '--no-show-raw-insn')
      expect(code.length).toBeGreaterThan(10_000)
      expect(
        code.filter((line) =>
          /\bvmov(ap[sd]|dqa|dqa32|dqa64) .*\(.*%[yz]mm|\bvmov(ap[sd]|dqa\w*) .*%[yz]mm.*\(/.test(line),
        ),
      ).toEqual([])
    }
  })
})

describe('the size', () => {
  test.each(binaries)('of %s is under 2 MB', (path) => {
    expect(statSync(join(root, path)).size).toBeLessThan(2e6)
  })

  ;(onLinux && prebuilt.length > 0 ? describe : describe.skip)('', () => {
    test.each(prebuilt)('of prebuilds/%s has no symbols and no debugging information in it', (path) => {
      const sections = firstGroups(objdump(join(prebuilds, path), '-h'), /^\s*\d+ (\S+)/)
      expect(sections).not.toEqual(expect.arrayContaining([expect.stringMatching(/^\.(debug|symtab)/)]))
      expect(objdump(join(prebuilds, path), '-t')).toContain('no symbols')
    })
  })
})
