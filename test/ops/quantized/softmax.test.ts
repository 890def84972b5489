/**
 * Protects softmax on codes: within a step of the float one along any axis and in either memory format, exact at ties,
 * and right for rows of one, of equal codes and of none.
 */
import { runSync } from '../../../src/backend/steps'
import * as F from '../../../src/ops/float'
import { softmax, softmaxAsync } from '../../../src/ops/quantized'
import { fromIntRepr, toFormatSteps, type QTensor } from '../../../src/tensor/qtensor'
import type { QDType8 } from '../../../src/tensor/dtype'

const codes = (shape: readonly number[], scale: number): QTensor<'quint8'> => {
  const length = shape.reduce((a, b) => a * b, 1)
  return fromIntRepr(
    Uint8Array.from({ length }, (_, i) => (i * 7919) % 251),
    shape,
    'quint8',
    { scale, zeroPoint: 99 },
  )
}

describe('softmax on codes', () => {
  test.each([0, 1, 2, -1, -4])('is the float one to half a step along axis %i', (dim) => {
    for (const scale of [0.002, 0.05, 1]) {
      const x = codes([2, 3, 4, 5], scale)
      const y = softmax(x, dim)
      expect(y.scale).toBe(1 / 256)
      const expected = F.softmax(x.dequantize(), dim).data
      const worst = Math.max(
        ...y.intRepr().data.map((code, i) => Math.abs(code - Math.min(255, 256 * (expected[i] ?? NaN)))),
      )
      expect(worst).toBeLessThan(0.501)
      const last = softmax(runSync(toFormatSteps(x, 'channelsLast')), dim)
      expect(last.contiguous().intRepr().data).toEqual(y.contiguous().intRepr().data)
    }
  })

  test('rounds exact ties to even, whatever the zero point', () => {
    const equal = (length: number): QTensor<'quint8'> =>
      fromIntRepr(new Uint8Array(length).fill(7), [length], 'quint8', { scale: 1, zeroPoint: 0 })
    // 1/512 is half a step of 1/256, 1/4 half a step of 1/2, 1/2 one and a half of 1/3 but for the rounding of 1/3.
    expect(new Set(softmax(equal(512), 0).intRepr().data)).toEqual(new Set([0]))
    expect([...softmax(equal(4), 0, { scale: 1 / 2, zeroPoint: 3 }).intRepr().data]).toEqual([3, 3, 3, 3])
    expect([...softmax(equal(2), 0, { scale: Math.fround(1 / 3) }).intRepr().data]).toEqual([1, 1])
    expect([...softmax(equal(2), 0, { scale: 2 ** -2, zeroPoint: 5 }).intRepr().data]).toEqual([7, 7])
  })

  test('gives rows of one the largest code, equal codes equal shares, and nothing for nothing, edge 74', async () => {
    const one = fromIntRepr(Int8Array.of(-5, 100), [2, 1], 'qint8', { scale: 0.1, zeroPoint: 3 })
    expect([...softmax(one, 1).intRepr().data]).toEqual([127, 127])
    const equal = fromIntRepr(new Int8Array(4), [1, 4], 'qint8', { scale: 9, zeroPoint: 3 })
    expect([...(await softmaxAsync(equal, 1)).intRepr().data]).toEqual([-64, -64, -64, -64])
    expect(softmax(codes([0, 3], 1), 1).shape).toEqual([0, 3])
    expect(softmax(codes([3, 0], 1), 1).shape).toEqual([3, 0])
    expect(softmax(codes([], 1), 0).intRepr().item()).toBe(255)
  })

  test('takes another type and parameters for its result, and refuses what makes none', () => {
    const x: QTensor<QDType8> = codes([2, 8], 0.05)
    const y = softmax(x, 1, { dtype: 'qint8', scale: 1 / 128, zeroPoint: 0 })
    expect(y.dtype).toBe('qint8')
    expect([...y.intRepr().data].every((code) => code >= 0)).toBe(true)
    expect(() => softmax(x, 2)).toThrow(/dim/)
    expect(() => softmax(x, 0, { scale: 0 })).toThrow(/scale/)
  })
})
