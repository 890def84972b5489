/**
 * Code compiled with the flags of an instruction set stays in the files of its name: they show only their rows of the
 * tables (an inline function that two files share would be linked from either, wide instructions and all), and nothing
 * else in the library holds a wide instruction.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

const objects = join(__dirname, '../../build/cpp/CMakeFiles/int8_kernels.dir')
const onX64 = process.platform === 'linux' && process.arch === 'x64' && existsSync(objects)
const files = onX64
  ? readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.cc.o'))
  : []
const withFlags = (name: string): boolean => /_(avx2|avxvnni|avx512vnni|avx512amx)\.cc\.o$/.test(name)
const special = files.filter(withFlags)
const common = files.filter((name) => !withFlags(name))
const read = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 28 })

;(onX64 ? describe : describe.skip)('code of an instruction set', () => {
  test('there are files of each and common ones', () => {
    expect(new Set(special.map((name) => /_([a-z0-9]+)\.cc\.o$/.exec(name)?.[1])).size).toBe(4)
    expect(common.length).toBeGreaterThan(20)
  })

  test.each(special)('%s defines nothing but what its name says', (name) => {
    const isa = /_([a-z0-9]+)\.cc\.o$/.exec(name)?.[1] ?? ''
    const shown = read('nm', '--defined-only', '--extern-only', '--demangle', join(objects, name))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' ').slice(1).join(' '))
    expect(shown.length).toBeGreaterThan(0)
    const strange = shown.filter((symbol) => !/^[TRDB] int8::/.test(symbol) || !symbol.toLowerCase().includes(isa))
    expect(strange).toEqual([])
  })

  test.each(common)('%s holds no instruction beyond SSE2', (name) => {
    const wide = read('objdump', '-d', '--no-show-raw-insn', join(objects, name))
      .split('\n')
      .filter((line) => /\t(v[a-z]\w+ .*%[xyz]mm|k\w+ .*%k[0-7]|tile\w+|tdp\w+)/.test(line))
    expect(wide.map((line) => `${basename(name)}: ${line.trim()}`).slice(0, 3)).toEqual([])
  })
})
