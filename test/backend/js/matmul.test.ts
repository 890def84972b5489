/** Protects the oracle's products of run-time matrices: order, strides, zero points (numerics.md 4, 7). */
import { createJsBackend } from '../../../src/backend/js'

const backend = createJsBackend()

describe('fmatmul', () => {
  const a = Float32Array.of(1, 2, 3, 4)
  const shape = { a, batch: 1, rows: 2, inner: 2, columns: 2, aStride: 4, bStride: 4 }

  test('multiplies rows by columns, or by rows of a transposed b', () => {
    const b = Float32Array.of(5, 6, 7, 8)
    const [y, transposed] = [new Float32Array(4), new Float32Array(4)]
    backend.run('fmatmul', { ...shape, b, y, transposeB: false })
    backend.run('fmatmul', { ...shape, b, y: transposed, transposeB: true })
    expect([...y]).toEqual([19, 22, 43, 50])
    expect([...transposed]).toEqual([17, 23, 39, 53])
  })

  test('repeats a matrix whose stride is 0, and gives +0 for sums of nothing', () => {
    const b = Float32Array.of(1, 0, 0, 1, 2, 0, 0, 2)
    const y = new Float32Array(8)
    backend.run('fmatmul', { ...shape, b, y, batch: 2, aStride: 0, transposeB: false })
    expect([...y]).toEqual([1, 2, 3, 4, 2, 4, 6, 8])
    const empty = new Float32Array(0)
    const zeros = Float32Array.of(9, 9, 9, 9)
    backend.run('fmatmul', { ...shape, a: empty, b: empty, inner: 0, y: zeros, transposeB: false })
    expect([...zeros]).toEqual([0, 0, 0, 0])
  })
})

test('qmatmulInt32 takes one zero point of b for each column', () => {
  const y = new Int32Array(4)
  backend.run('qmatmulInt32', {
    a: Uint8Array.of(1, 2, 3, 4),
    b: Int8Array.of(5, -6, 7, -8),
    y,
    batch: 1,
    rows: 2,
    inner: 2,
    columns: 2,
    aStride: 4,
    bStride: 4,
    aZeroPoint: 1,
    bZeroPoints: Int32Array.of(2, -3),
  })
  expect([...y]).toEqual([5, -5, 21, -21])
})
