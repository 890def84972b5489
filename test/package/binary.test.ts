/**
 * What the binary asks of the machine it is loaded on: glibc 2.28 or later and no C++ library; and what it shows to
 * others: the entry points of N-API and nothing else, so that several versions can live in one process.
 */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { builtBinary } from './install'

const onGlibc = process.platform === 'linux'
const objdump = (option: string): string => execFileSync('objdump', [option, builtBinary], { encoding: 'utf8' })

;(onGlibc ? describe : describe.skip)('the binary', () => {
  const symbols = objdump('-T').split('\n')

  test('needs no symbol of glibc newer than 2.28', () => {
    const versions = symbols.flatMap((line) => /GLIBC_([\d.]+)/.exec(line)?.[1] ?? [])
    expect(versions.length).toBeGreaterThan(0)
    const newer = versions.filter((version) => {
      const [major = 0, minor = 0] = version.split('.').map(Number)
      return major > 2 || minor > 28
    })
    expect(newer).toEqual([])
  })

  test('needs no C++ library, nor any other that Node does not need itself', () => {
    expect(symbols.filter((line) => /GLIBCXX|CXXABI/.test(line))).toEqual([])
    const libraries = objdump('-p')
      .split('\n')
      .flatMap((line) => /NEEDED\s+(\S+)/.exec(line)?.[1] ?? [])
    expect(libraries.filter((name) => !/^(libc|libm|libpthread|libdl|libgcc_s|ld-linux.*)\.so/.test(name))).toEqual([])
  })

  test('exports the entry points of N-API and nothing else', () => {
    const exported = symbols
      .filter((line) => /^[0-9a-f]+ .*\s(\.text|\.data|\.bss|\.rodata)\s/.test(line))
      .map((line) => line.trim().split(/\s+/).at(-1))
    expect(exported.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1'])
  })

  test('is smaller than 2 MB', () => {
    expect(statSync(builtBinary).size).toBeLessThan(2 << 20)
  })
})
