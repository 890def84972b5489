/** Protects memory from indices that are data: both backends refuse those outside the axis, in the same words. */
import type { Backend } from '../../src/backend/contract'
import { createJsBackend } from '../../src/backend/js'
import { loadNative } from '../../src/backend/native'

const backends: readonly (readonly [string, Backend])[] = [
  ['js', createJsBackend()],
  ['native', loadNative()],
]

function gather(indices: readonly number[]) {
  const [x, y] = [Uint16Array.of(1, 2, 3), new Uint16Array(indices.length)]
  return { x, y, outer: 1, axis: 3, inner: 1, indices: Int32Array.from(indices) }
}

test('the addon refuses an index off the event loop too', async () => {
  await expect(loadNative().runAsync('gather', gather([3]))).rejects.toThrow('an index lies outside the axis')
})

describe.each(backends)('with the %s backend', (_, backend) => {
  test('gather counts negative indices from the end', () => {
    const operands = gather([0, -1, 2, -3])
    backend.run('gather', operands)
    expect([...operands.y]).toEqual([1, 3, 3, 1])
  })

  test.each([3, -4, 2 ** 31 - 1, -(2 ** 31)])('gather refuses index %d of an axis of 3', (index) => {
    expect(() => {
      backend.run('gather', gather([0, index]))
    }).toThrow('gather: an index lies outside the axis')
  })

  test.each([2, -1])('resample refuses index %d of an axis of 2', (index) => {
    const sizes = { outer: 1, inLength: 2, outLength: 1, inner: 1, taps: 2 }
    const [x, y, weights] = [Float32Array.of(1, 2), new Float32Array(1), Float32Array.of(1, 1)]
    expect(() => {
      backend.run('resample', { x, y, ...sizes, indices: Int32Array.of(0, index), weights })
    }).toThrow('resample: an index lies outside the axis')
  })
})
