/** Long work in slices, and first runs, which make their plan so. */
import { finish, finishInSlices, type Work } from '../../src/runtime/slices'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

/** Counts to `steps`, taking `ms` for each. */
function* counting(steps: number, ms: number): Work<number> {
  for (let i = 0; i < steps; i++) {
    const end = performance.now() + ms
    while (performance.now() < end);
    yield
  }
  return steps
}

test('the event loop turns between slices', async () => {
  let turns = 0
  let running = true
  const turn = (): void => {
    turns++
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  const work = finishInSlices(counting(5, 10))
  expect(turns).toBe(0)
  expect(await work).toBe(5)
  running = false
  expect(turns).toBeGreaterThanOrEqual(4)
})

test('short work takes one slice', async () => {
  let turned = false
  setImmediate(() => (turned = true))
  expect(await finishInSlices(counting(3, 0))).toBe(3)
  expect(turned).toBe(false)
})

test('what fails in a slice rejects, and at once throws', async () => {
  function* failing(): Work<never> {
    throw new RangeError('no')
  }
  await expect(finishInSlices(failing())).rejects.toThrow('no')
  expect(() => finish(failing())).toThrow('no')
})

const model = modelOf({
  inputs: { x: ['float32', ['n', 2]] },
  outputs: { y: 'float32' },
  nodes: [
    ['Gemm', ['x', 'w'], ['h'], { transB: 1 }],
    ['Relu', ['h'], ['y']],
  ],
  constants: { w: known('float32', [2, 2], Float32Array.of(1, 2, -3, 4)) },
})
const x = (...values: number[]): Tensor => new Tensor('float32', Float32Array.from(values), [values.length / 2, 2])

describe('first runs at once', () => {
  test('give each its own result, of the feeds as they were', async () => {
    const session = await InferenceSession.create(model)
    const given = [x(1, 1), x(1, 0, 0, 1), x(2, 2), x(0, 1, 1, 0)]
    const runs = given.map((each) => session.run({ x: each }))
    for (const { data } of given) (data as Float32Array).fill(99)
    const results = (await Promise.all(runs)).map(({ y }) => [...(y?.data as Float32Array)])
    expect(results).toEqual([
      [3, 1],
      [1, 0, 2, 4],
      [6, 2],
      [2, 4, 1, 0],
    ])
  })

  test('end although the session is disposed meanwhile', async () => {
    const session = await InferenceSession.create(model)
    const running = session.run({ x: x(1, 1) })
    session.dispose()
    expect([...((await running)['y']?.data as Float32Array)]).toEqual([3, 1])
    await expect(session.run({ x: x(1, 1) })).rejects.toThrow('the session was disposed')
  })
})
