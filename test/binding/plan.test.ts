/** Plans: kernel calls recorded once and run many times, on either backend. */
import { currentBackend } from '../../src/backend/current'
import type { Backend, Program, Step } from '../../src/backend/contract'
import { createJsBackend } from '../../src/backend/js'
import { addon } from './calls'

const backends: readonly (readonly [name: string, backend: Backend])[] = [
  ['native', currentBackend()],
  ['js', createJsBackend()],
]

const memory = new ArrayBuffer(4096)
const place = (offset: number, length: number): Float32Array => new Float32Array(memory, offset, length)
const step = (operands: object): Step => ({ kernel: 'fclamp', operands }) as Step

/** `b = clamp(a, -2, 2)`, then `c = clamp(b, -1, 1)` and `d = clamp(constant, 0, 9)`. */
function program(constant = Float32Array.of(-5, 5, 50)): Program {
  const [a, b, c, d] = [place(0, 8), place(64, 8), place(128, 8), place(192, 3)]
  return {
    memory,
    steps: [
      step({ x: a, y: b, lo: -2, hi: 2 }),
      step({ x: b, y: c, lo: -1, hi: 1 }),
      step({ x: constant, y: d, lo: 0, hi: 9 }),
    ],
  }
}

const input = Float32Array.of(-9, -1.5, -0.5, 0, 0.25, 1.25, 3, NaN)

describe.each(backends)('a plan of the %s backend', (_, backend) => {
  test('gives what its kernels give one by one, now and off the event loop', async () => {
    const executable = backend.compile(program())
    executable.write(0, input)
    executable.run(0, 3)
    const [c, d] = [new Float32Array(8), new Float32Array(3)]
    executable.read(128, c)
    executable.read(192, d)
    expect([...c]).toEqual([-1, -1, -0.5, 0, 0.25, 1, 1, NaN])
    expect([...d]).toEqual([0, 5, 9])
    executable.write(
      0,
      input.map((x) => x / 4),
    )
    if (backend.name === 'native') await executable.runAsync(0, 2)
    else executable.run(0, 2)
    executable.read(128, c)
    expect([...c]).toEqual([-1, -0.375, -0.125, 0, 0.0625, 0.3125, 0.75, NaN])
    executable.dispose()
  })

  test('runs a step beside its program on an array of the caller', () => {
    const executable = backend.compile(program())
    const before = input.slice()
    executable.apply(step({ x: input, y: place(0, 8), lo: -1.5, hi: 1.5 }))
    expect(input).toEqual(before)
    executable.run(0, 2)
    const [a, c] = [new Float32Array(8), new Float32Array(8)]
    executable.read(0, a)
    executable.read(128, c)
    expect([...a]).toEqual([-1.5, -1.5, -0.5, 0, 0.25, 1.25, 1.5, NaN])
    expect([...c]).toEqual([-1, -1, -0.5, 0, 0.25, 1, 1, NaN])
    executable.dispose()
    expect(() => {
      executable.apply(step({ x: input, y: place(0, 8), lo: -1.5, hi: 1.5 }))
    }).toThrow('it was disposed')
  })

  test('runs a range of its steps and tells the time of each', () => {
    const executable = backend.compile(program())
    executable.write(64, input)
    const times = new Float64Array(3)
    executable.run(1, 2, times)
    const c = new Float32Array(8)
    executable.read(128, c)
    expect([...c]).toEqual([-1, -1, -0.5, 0, 0.25, 1, 1, NaN])
    expect([times[0], (times[1] ?? 0) > 0, times[2]]).toEqual([0, true, 0])
  })

  test.each([
    ['a range that is not there', [1, 4]],
    ['a range from behind', [2, 1]],
    ['a negative range', [-1, 1]],
  ])('refuses %s', (_name, [first = 0, last = 0]) => {
    expect(() => {
      backend.compile(program()).run(first, last)
    }).toThrow(/planRun|no steps/)
  })

  test.each([4090, -8, NaN])('refuses to copy beyond its memory, at offset %p', (offset) => {
    const executable = backend.compile(program())
    expect(() => {
      executable.read(offset, new Float32Array(4))
    }).toThrow(/offset/)
    expect(() => {
      executable.write(offset, new Float32Array(4))
    }).toThrow(/offset/)
  })

  test('refuses all use after it was disposed', () => {
    const executable = backend.compile(program())
    executable.dispose()
    expect(() => {
      executable.run(0, 1)
    }).toThrow('it was disposed')
    expect(() => {
      executable.dispose()
    }).toThrow('it was disposed')
  })
})

describe('a native plan', () => {
  const [[, native] = ['', currentBackend()]] = backends

  test('keeps constants of its own', () => {
    const constant = Float32Array.of(1, 2, 3)
    const executable = native.compile(program(constant))
    constant.fill(7)
    executable.run(2, 3)
    const d = new Float32Array(3)
    executable.read(192, d)
    expect([...d]).toEqual([1, 2, 3])
  })

  test('refuses other uses while a run is under way, and takes them again after it', async () => {
    const executable = native.compile(program())
    const running = executable.runAsync(0, 3)
    expect(() => {
      executable.run(0, 1)
    }).toThrow('a run is under way')
    expect(() => {
      executable.read(0, new Float32Array(1))
    }).toThrow('a run is under way')
    await running
    executable.run(0, 3)
  })

  test('runs beside others off the event loop', async () => {
    const executables = Array.from({ length: 16 }, () => native.compile(program()))
    executables.forEach((executable, i) => {
      executable.write(0, new Float32Array(8).fill(i / 16))
    })
    await Promise.all(executables.map((executable) => executable.runAsync(0, 3)))
    const results = executables.map((executable) => {
      const c = new Float32Array(8)
      executable.read(128, c)
      return c[7]
    })
    expect(results).toEqual(Array.from({ length: 16 }, (_, i) => i / 16))
  })

  test('refuses a result that does not lie in its memory', () => {
    const steps = [step({ x: place(0, 8), y: new Float32Array(8), lo: 0, hi: 1 })]
    expect(() => native.compile({ memory, steps })).toThrow("argument y does not lie in the plan's memory")
  })

  test('refuses to run a step whose result is the array of a caller', () => {
    expect(() => {
      native.compile(program()).apply(step({ x: place(0, 8), y: new Float32Array(8), lo: 0, hi: 1 }))
    }).toThrow("planApply: fclamp: argument y does not lie in the plan's memory")
  })

  test('refuses the name of a function that is no kernel', () => {
    const made = addon.planCreate(64)
    expect(() => {
      addon.planStep(made, new ArrayBuffer(64), 'planRun' as 'fclamp', made, 0, 0, null)
    }).toThrow('is not the name of a kernel')
  })

  test('refuses a stand-in for its memory that was transferred away', () => {
    const made = addon.planCreate(64)
    const gone = new ArrayBuffer(64)
    structuredClone(gone, { transfer: [gone] })
    expect(() => {
      addon.planStep(made, gone, 'fclamp', new Float32Array(4), new Float32Array(4), 0, 1)
    }).toThrow('is detached')
  })

  test('throws where there is not so much memory', () => {
    expect(() => addon.planCreate(2 ** 40)).toThrow('not enough memory')
  })
})
