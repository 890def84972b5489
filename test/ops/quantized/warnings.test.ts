/** Protects the warnings: each says what is wrong, once, and healthy weights are silent. */
import { conv2d, conv2dPrepack, linear, linearPrepack } from '../../../src/ops/quantized'
import { fromIntRepr } from '../../../src/tensor/qtensor'
import { quantizePerChannel, quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor } from '../../../src/tensor/tensor'
import { randomQ, randomReals } from '../naive'

interface Warned {
  readonly message: string
  readonly code: string
}

/** The warnings that a call makes. */
function warningsOf(call: () => unknown): Warned[] {
  const warned: Warned[] = []
  const spy = jest.spyOn(process, 'emitWarning').mockImplementation((message, options) => {
    warned.push({ message: String(message), code: String((options as { code?: string }).code) })
  })
  try {
    call()
  } finally {
    spy.mockRestore()
  }
  return warned
}

test('the forum: five of nine weights clipped by a zero point of the wrong type are warned of', () => {
  // -1 to 17 quantized as (17 + 1) / 254 with zero point -(min / scale) = -14, as if codes began at 0.
  const values = [0, 1, 2, 10, 11, 13, 15, 16, 17]
  const w = quantizePerTensor(tensor(values, [1, 1, 3, 3]), 18 / 254, -14, 'qint8')
  const [warning, ...more] = warningsOf(() => conv2dPrepack(w, null, { name: 'conv' }))
  expect(more).toEqual([])
  expect(warning?.code).toBe('INT8_WEIGHTS_CLIPPED')
  expect(warning?.message).toMatch(/6 of 9 weights of layer conv have the code 127, an end of qint8's range/)
  expect(warning?.message).toMatch(/With scale 0.07087 and zero point -14, no weight can be above 9.992/)
  expect(warning?.message).toMatch(/for qint8 is -128 - round\(min \/ scale\)/)
})

test.each([
  ['a symmetric weight', quantizePerTensor(tensor(randomReals(64, 1), [4, 16]), 1 / 127.5, 0, 'qint8')],
  [
    'one weight per channel, each at its end',
    quantizePerChannel(tensor([1, -2, 3], [3, 1]), [1 / 127, 2 / 127, 3 / 127], [0, 0, 0], 0, 'qint8'),
  ],
  ['weights that are all equal', fromIntRepr(new Int8Array(9).fill(127), [1, 9], 'qint8', { scale: 1, zeroPoint: 0 })],
  [
    'many zeros in quint8',
    fromIntRepr(new Uint8Array([0, 0, 0, 0, 0, 9]), [1, 6], 'quint8', { scale: 1, zeroPoint: 0 }),
  ],
])('%s is not warned of', (_, w) => {
  expect(warningsOf(() => linearPrepack(w))).toEqual([])
})

test('edge 41: a bias beyond int32 saturates and is warned of once, with the layer', () => {
  const w = fromIntRepr(new Int8Array([0]), [1, 1, 1, 1], 'qint8', { scale: 1e-7, zeroPoint: 0 })
  const packed = conv2dPrepack(w, tensor([5e4]), { name: 'features.0' })
  const x = randomQ('quint8', [1, 1, 1, 1], 1, { scale: 1e-5, zeroPoint: 0 })
  const warned = warningsOf(() => {
    conv2d(x, packed, 1, 0)
    conv2d(x, packed, 2, 0)
  })
  expect(warned).toHaveLength(1)
  expect(warned[0]?.code).toBe('INT8_BIAS_RANGE')
  expect(warned[0]?.message).toMatch(/bias\[0\] of layer features\.0 is 2147483647 steps.*nearest that int32 holds/)
})

test('a bias above 2^30 is warned of; one of 2^30 is not', () => {
  const w = fromIntRepr(new Int8Array([1]), [1, 1], 'qint8', { scale: 1, zeroPoint: 0 })
  const x = randomQ('quint8', [1, 1], 1, { scale: 1, zeroPoint: 0 })
  const run = (bias: number): Warned[] => {
    const packed = linearPrepack(w, tensor([bias]))
    return warningsOf(() => linear(x, packed, 1, 0))
  }
  expect(run(2 ** 30)).toEqual([])
  expect(run(2 ** 30 + 128).map(({ code }) => code)).toEqual(['INT8_BIAS_RANGE'])
})

test.each([
  [0.3, 0],
  [0.4, 1],
])('of many weights a share of %f at the end of the range gives %i warnings, wherever it lies', (share, count) => {
  const length = 256 * 512
  const at = (isEnd: (i: number) => boolean): unknown[] => {
    const codes = Int8Array.from({ length }, (_, i) => (isEnd(i) ? 127 : (i % 200) - 100))
    const w = fromIntRepr(codes, [256, 512], 'qint8', { scale: 0.1, zeroPoint: 0 })
    return warningsOf(() => linearPrepack(w))
  }
  expect(at((i) => i < share * length)).toHaveLength(count)
  expect(at((i) => i % 512 < share * 512)).toHaveLength(count)
  expect(at((i) => (i % 10) / 10 < share - 1e-9)).toHaveLength(count)
})
