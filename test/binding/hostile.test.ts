/**
 * Memory safety of the binding: whatever JavaScript hands to a function of the addon, it throws a TypeError or
 * RangeError that names the function and the argument, or computes; it never crashes, and never writes outside `y`.
 */
import util from 'node:util'
import { addon, callAddon, validCalls, withoutArguments, type ValidCall } from './calls'
import { doubtful, guarded, isArray, refused, type AnyArray, type Spoiled } from './hostile'

const isa = addon.supportedIsas[addon.isa()] ?? ''
const threads = addon.numThreads()
afterEach(() => {
  addon.setIsa(isa)
  addon.setNumThreads(threads)
})

/** The error of a call, sync or async; undefined if it was accepted. */
async function errorOf(name: string, args: readonly unknown[]): Promise<unknown> {
  try {
    await callAddon(name, args)
    return undefined
  } catch (error) {
    return error
  }
}

function isRefusal(error: unknown, name: string): boolean {
  if (typeof error !== 'object' || error === null || !('name' in error) || !('message' in error)) return false
  const named = error.name === 'TypeError' || error.name === 'RangeError'
  return named && String(error.message).startsWith(`${name}: `)
}

/** Whether an array is of another class than the one it stands for, and nothing else is wrong with it. */
function isOther(array: AnyArray, valid: unknown): boolean {
  return isArray(valid) && array.constructor !== valid.constructor && !util.types.isSharedArrayBuffer(array.buffer)
}

/** Faults that a call let through, in words. */
async function accepted(
  name: string,
  { args, unread, anyLength, anyType, anyText, nullable }: ValidCall,
): Promise<string[]> {
  const through: string[] = []
  const count = args().length
  for (let i = 0; i < count; i++) {
    if (unread?.includes(i) === true) continue
    const spoiled = refused(args()[i], anyLength?.includes(i) ?? false).filter(
      ({ value }) =>
        !(anyType?.includes(i) === true && isArray(value) && isOther(value, args()[i])) &&
        !(anyText?.includes(i) === true && typeof value === 'string'),
    )
    if (nullable?.includes(i) !== true) spoiled.push({ how: 'null', value: null })
    for (const { how, value } of spoiled) {
      const error = await errorOf(name, args().with(i, value))
      if (!isRefusal(error, name)) through.push(`argument ${String(i)}, ${how}: ${String(error)}`)
    }
    const missing = await errorOf(name, args().slice(0, i))
    if (!isRefusal(missing, name)) through.push(`argument ${String(i)}, missing: ${String(missing)}`)
  }
  return through
}

/** Runs calls that may or may not be right; returns those that wrote around an array, or failed in another way. */
async function wild(name: string, args: () => unknown[], spoil: (i: number) => Spoiled[]): Promise<string[]> {
  const bad: string[] = []
  for (let i = 0; i < args().length; i++) {
    for (const { how, value } of spoil(i)) {
      const guards: (() => boolean)[] = []
      const all = args()
        .with(i, value)
        .map((value) => {
          if (!isArray(value) || value.length === 0) return value
          const { array, intact } = guarded(value)
          guards.push(intact)
          return array
        })
      const error = await errorOf(name, all)
      const fine = (error === undefined || isRefusal(error, name)) && guards.every((intact) => intact())
      if (!fine) bad.push(`argument ${String(i)}, ${how}: ${String(error)}`)
    }
  }
  return bad
}

test('the table has every function of the addon', () => {
  const named = new Set(validCalls.flatMap(({ name, kernel }) => (kernel ? [name, `${name}Async`] : [name])))
  expect(Object.keys(addon).sort()).toEqual([...named, ...withoutArguments].sort())
})

describe.each(validCalls.map((valid, i) => ({ title: `${valid.name} (call ${String(i)})`, valid })))(
  '$title',
  ({ valid }) => {
    const names = valid.kernel ? [valid.name, `${valid.name}Async`] : [valid.name]

    test.each(names)('%s takes its valid call', async (name) => {
      expect(await errorOf(name, valid.args())).toBeUndefined()
    })

    test.each(names)('%s refuses each argument that is missing, of a wrong type, or hostile', async (name) => {
      expect(await accepted(name, valid)).toEqual([])
    })

    test.each(names)('%s survives arguments that may or may not be right', async (name) => {
      expect(await wild(name, valid.args, (i) => doubtful(valid.args()[i]))).toEqual([])
    })
  },
)

describe('random calls', () => {
  // mulberry32: the seed is printed with a failure and replays it.
  function random(seed: number): () => number {
    let state = seed
    return () => {
      state = (state + 0x6d2b79f5) | 0
      let t = Math.imul(state ^ (state >>> 15), 1 | state)
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
    }
  }

  test.each(Array.from({ length: 40 }, (_, seed) => seed))('of seed %i neither crash nor leave y', async (seed) => {
    const next = random(seed)
    const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(next() * items.length)]
    for (let n = 0; n < 50; n++) {
      const valid = pick(validCalls)
      if (valid === undefined) break
      const name = valid.kernel && next() < 0.3 ? `${valid.name}Async` : valid.name
      const spoilt = (): unknown[] => {
        const args = valid.args()
        for (let k = 0; k < 3; k++) {
          const i = Math.floor(next() * args.length)
          args[i] = pick([...doubtful(valid.args()[i]), ...refused(valid.args()[i], true)])?.value
        }
        return args
      }
      const args = spoilt()
      const guards = args.map((value) => (isArray(value) && guardable(value) ? guarded(value) : undefined))
      const error = await errorOf(
        name,
        args.map((value, i) => guards[i]?.array ?? value),
      )
      expect(error === undefined || isRefusal(error, name)).toBe(true)
      expect(guards.every((guard) => guard?.intact() ?? true)).toBe(true)
    }
  })

  function guardable(array: AnyArray): boolean {
    return array.length > 0 && array.buffer instanceof ArrayBuffer && Object.hasOwn(array, '0')
  }
})

describe('overlap', () => {
  test('a kernel that works in place may write over its input', () => {
    const x = Uint8Array.of(1, 50, 200)
    addon.qclamp(x, x, 10, 100)
    expect([...x]).toEqual([10, 50, 100])
  })

  test('a result that partly covers its input is refused', () => {
    const bytes = new Uint8Array(8)
    expect(() => {
      addon.qclamp(bytes.subarray(0, 6), bytes.subarray(1, 7), 0, 9)
    }).toThrow('qclamp: argument y overlaps x')
  })

  test('a convolution may not write over its input', () => {
    const packed = addon.packQuantized(new Int8Array(9), new Int32Array(3), Float64Array.of(1, 3, 1, 1, 1, 3))
    const op = addon.bindQuantized(packed, new Int32Array(3), 0, 0, 0, new Float32Array(3), null, 0, 0, 255)
    const x = new Uint8Array(3)
    expect(() => {
      addon.qlinear(op, x, x, 1)
    }).toThrow('qlinear: argument y overlaps x')
  })

  test('a parameter that lies in the result is refused', () => {
    const words = new Float32Array(4)
    expect(() => {
      addon.faffine(new Float32Array(4), words, 1, 1, 4, words.subarray(0, 1), new Float32Array(1))
    }).toThrow('faffine: argument scales overlaps y')
  })
})

describe('native objects', () => {
  const pack = (): ReturnType<typeof addon.packFloat> =>
    addon.packFloat(new Float32Array(3), null, Float64Array.of(1, 1, 1, 1, 1, 3))

  test('of another kind are refused', () => {
    expect(() => addon.bindQuantized(pack())).toThrow(
      'bindQuantized: argument packed must be an object that packQuantized returned',
    )
  })

  test('that were disposed are refused, and a second disposal does nothing', () => {
    const op = pack()
    addon.dispose(op)
    addon.dispose(op)
    expect(() => {
      addon.flinear(op, new Float32Array(3), new Float32Array(1), 1, 0, 1)
    }).toThrow('flinear: argument op was disposed')
  })

  test('may be disposed while a call that uses them is under way', async () => {
    const op = addon.packFloat(Float32Array.of(1, 2, 3), null, Float64Array.of(1, 1, 1, 1, 1, 3))
    const y = new Float32Array(1)
    const running = addon.flinearAsync(op, Float32Array.of(1, 1, 1), y, 1, -Infinity, Infinity)
    addon.dispose(op)
    await running
    expect(y[0]).toBe(6)
  })
})
