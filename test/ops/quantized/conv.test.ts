/** Protects quantized convolutions: against the definition (numerics.md 4, 5), element by element, and their refusals. */
/* eslint jest/expect-expect: ['error', { assertFunctionNames: ['expect', 'check'] }] */
import fc from 'fast-check'
import { DTypeError } from '../../../src/errors'
import * as quantized from '../../../src/ops/quantized'
import type { QDType8 } from '../../../src/tensor/dtype'
import { fromIntRepr, QTensor } from '../../../src/tensor/qtensor'
import { quantizePerChannel } from '../../../src/tensor/quantize'
import { tensor, zeros } from '../../../src/tensor/tensor'
import { naiveConv, naiveRequantize, randomQ, randomReals, type NaiveGeometry } from '../naive'

const { conv2d, conv2dPrepack } = quantized

/** Runs a convolution plain, with ReLU, clipped and to int32, in both memory formats, against the definition. */
function check(
  x: QTensor<QDType8>,
  w: QTensor<QDType8>,
  bias: Float32Array | null,
  geometry: NaiveGeometry,
  y: { scale: number; zeroPoint: number; dtype: QDType8 },
): void {
  const { shape, data } = naiveConv(x, w, geometry)
  const [, O = 1, H = 1, W = 1] = shape
  const channel = (i: number): number => Math.floor(i / (H * W)) % O
  const biases = bias === null ? null : [...bias]
  const packed = conv2dPrepack(w, bias === null ? null : tensor(bias), geometry)
  const plain = naiveRequantize(data, channel, x, w, biases, y)
  for (const input of [x, x.contiguous('channelsLast')]) {
    const out = conv2d(input, packed, y.scale, y.zeroPoint, { dtype: y.dtype })
    expect({ shape: out.shape, memoryFormat: out.memoryFormat, dtype: out.dtype }).toEqual({
      shape,
      memoryFormat: 'channelsLast',
      dtype: y.dtype,
    })
    expect([...out.intRepr().data]).toEqual(plain)
  }
  const relu = naiveRequantize(data, channel, x, w, biases, { ...y, lo: y.zeroPoint })
  expect([...quantized.conv2dRelu(x, packed, y.scale, y.zeroPoint, { dtype: y.dtype }).intRepr().data]).toEqual(relu)
  const bare = conv2dPrepack(w, null, geometry)
  expect([...quantized.conv2dInt32(x, bare).data]).toEqual(data)
}

const small = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max })
const dtype = fc.constantFrom<QDType8>('quint8', 'qint8')
const zeroPointOf = (type: QDType8, share: number): number => Math.round(share * 255) - (type === 'qint8' ? 128 : 0)

test('conv2d is the definition for any geometry, types and zero points', () => {
  const model = fc.record({
    batch: small(1, 2),
    groups: small(1, 3),
    inPerGroup: small(1, 5),
    outPerGroup: small(1, 5),
    size: small(1, 7),
    kernel: small(1, 3),
    stride: small(1, 3),
    padding: small(0, 3),
    dilation: small(1, 2),
    xType: dtype,
    wType: dtype,
    yType: dtype,
    shares: fc.tuple(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    ),
    yScale: fc.constantFrom(0.001, 0.02, 0.5, 3),
    bias: fc.boolean(),
    seed: small(0, 1e6),
  })
  fc.assert(
    fc.property(model, (m) => {
      fc.pre(m.dilation * (m.kernel - 1) + 1 <= m.size + 2 * m.padding)
      const [xs, ws, ys] = m.shares
      const x = randomQ(m.xType, [m.batch, m.groups * m.inPerGroup, m.size, m.size], m.seed, {
        scale: 0.02,
        zeroPoint: zeroPointOf(m.xType, xs),
      })
      const channels = m.groups * m.outPerGroup
      const w = randomQ(m.wType, [channels, m.inPerGroup, m.kernel, m.kernel], m.seed + 1, {
        scale: 0.03,
        zeroPoint: zeroPointOf(m.wType, ws),
      })
      const { stride, padding, dilation, groups } = m
      const y = { scale: Math.fround(m.yScale), zeroPoint: zeroPointOf(m.yType, ys), dtype: m.yType }
      check(x, w, m.bias ? randomReals(channels, m.seed) : null, { stride, padding, dilation, groups }, y)
    }),
    { numRuns: 150 },
  )
})

const out = { scale: 0.1, zeroPoint: 100, dtype: 'quint8' } as const

describe('geometry', () => {
  test.each<[string, number[], number[], NaiveGeometry]>([
    ['edge 1: a kernel larger than the input, made legal by padding', [1, 2, 2, 2], [3, 2, 5, 5], { padding: 2 }],
    ['edge 2: a kernel as large as the padded input', [1, 2, 3, 3], [3, 2, 5, 5], { padding: 1 }],
    ['edge 3: a stride larger than the kernel', [1, 2, 11, 11], [3, 2, 2, 2], { stride: 5 }],
    ['edge 3: a 1x1 kernel with stride 2', [1, 5, 6, 6], [7, 5, 1, 1], { stride: 2 }],
    ['edge 4: a dilated kernel larger than the input', [1, 2, 4, 4], [3, 2, 3, 3], { dilation: 2, padding: 2 }],
    ['edge 5: pads larger than the kernel', [1, 2, 3, 3], [3, 2, 2, 2], { padding: 4 }],
    ['edge 7: a 1x1 kernel with padding', [1, 5, 3, 3], [4, 5, 1, 1], { padding: 1 }],
    ['edge 9: 3 channels per group, 5 outputs per group', [1, 6, 5, 5], [10, 3, 3, 3], { groups: 2 }],
    ['edge 9: depthwise of 7 channels', [1, 7, 5, 5], [7, 1, 3, 3], { groups: 7, padding: 1 }],
    ['edge 9: depthwise of 33 channels', [1, 33, 5, 5], [33, 1, 3, 3], { groups: 33, padding: 1 }],
    ['edge 9: depthwise with multiplier 3', [1, 9, 5, 5], [27, 1, 3, 3], { groups: 9, padding: 1 }],
    ['edge 14: one output pixel and one output channel', [1, 8, 3, 3], [1, 8, 3, 3], {}],
    ['edge 22: many channels, so that weights of -128 meet codes of 255', [2, 70, 2, 2], [35, 70, 1, 1], {}],
  ])('%s', (_, xShape, wShape, geometry) => {
    const x = randomQ('quint8', xShape, 7, { scale: 0.02, zeroPoint: 128 })
    const w = randomQ('qint8', wShape, 8, { scale: 0.01, zeroPoint: -5 })
    check(x, w, randomReals(wShape[0] ?? 0, 9), geometry, out)
  })

  test('edge 5: each padding alone moves the image', () => {
    const x = randomQ('quint8', [1, 1, 3, 3], 1)
    const one = conv2dPrepack(
      fromIntRepr(new Int8Array([1]), [1, 1, 1, 1], 'qint8', { scale: 1, zeroPoint: 0 }),
      null,
      {
        padding: [
          [1, 0],
          [0, 2],
        ],
      },
    )
    const y = quantized.conv2dInt32(x, one).toArray()
    const rows = x.intRepr().data
    const row = (r: number): number[] => [0, 1, 2].map((c) => (rows[3 * r + c] ?? 0) - 3)
    expect(y).toEqual([
      [
        [
          [0, 0, 0, 0, 0],
          [...row(0), 0, 0],
          [...row(1), 0, 0],
          [...row(2), 0, 0],
        ],
      ],
    ])
  })

  test('edge 8: an input of nothing but its zero point gives the bias everywhere, border included', () => {
    const x = fromIntRepr(new Uint8Array(25).fill(128), [1, 1, 5, 5], 'quint8', { scale: 0.5, zeroPoint: 128 })
    const packed = conv2dPrepack(randomQ('qint8', [2, 1, 3, 3], 3, { scale: 0.5, zeroPoint: 4 }), tensor([5, -2.5]), {
      padding: 1,
    })
    const y = quantized.conv2dInt32(x, packed)
    expect([...y.data]).toEqual([...new Array<number>(25).fill(20), ...new Array<number>(25).fill(-10)])
  })

  test('edge 11: conv1d and conv3d are conv2d with axes of one', () => {
    const w = randomQ('qint8', [4, 2, 3], 5)
    const x = randomQ('quint8', [2, 2, 9], 6)
    const options = { stride: 2, padding: 1 }
    const y1 = quantized.conv1d(x, quantized.conv1dPrepack(w, null, options), 0.2, 9)
    const flat = conv2dPrepack(w.reshape([4, 2, 1, 3]), null, { stride: [1, 2], padding: [0, 1] })
    expect(y1.shape).toEqual([2, 4, 5])
    expect(y1.intRepr().data).toEqual(conv2d(x.reshape([2, 2, 1, 9]), flat, 0.2, 9).intRepr().data)
    const deep = quantized.conv3dPrepack(w.reshape([4, 2, 3, 1, 1]), null, { stride: [2, 1, 1], padding: [1, 0, 0] })
    const y3 = quantized.conv3d(x.reshape([2, 2, 9, 1, 1]), deep, 0.2, 9)
    expect(y3.shape).toEqual([2, 4, 5, 1, 1])
    expect(y3.intRepr().data).toEqual(y1.intRepr().data)
  })

  test('edges 12 and 13: one packed weight serves other batches, sizes and swapped axes', () => {
    const w = randomQ('qint8', [3, 2, 3, 3], 1)
    const packed = conv2dPrepack(w, null, { padding: 1 })
    for (const shape of [
      [1, 2, 4, 6],
      [3, 2, 6, 4],
      [0, 2, 4, 4],
      [1, 2, 9, 2],
      [2, 2, 1, 1],
    ]) {
      const x = randomQ('quint8', shape, shape[2] ?? 0)
      const { shape: expected, data } = naiveConv(x, w, { padding: 1 })
      const y = quantized.conv2dInt32(x, packed)
      expect(y.shape).toEqual(expected)
      expect([...y.data]).toEqual(data)
    }
  })

  test('edge 18: without input channels the result is the bias', () => {
    const w = fromIntRepr(new Int8Array(0), [2, 0, 3, 3], 'qint8', { scale: 0.5, zeroPoint: 1 })
    const x = fromIntRepr(new Uint8Array(0), [1, 0, 4, 4], 'quint8', { scale: 0.5, zeroPoint: 7 })
    const y = conv2d(x, conv2dPrepack(w, tensor([1, -2]), { padding: 1 }), 0.5, 10)
    expect(y.shape).toEqual([1, 2, 4, 4])
    expect([...y.intRepr().data]).toEqual([...new Array<number>(16).fill(12), ...new Array<number>(16).fill(6)])
  })

  test('edge 18: without output channels the result is empty', () => {
    const w = fromIntRepr(new Int8Array(0), [0, 2, 3, 3], 'qint8', { scale: 0.5, zeroPoint: 1 })
    expect(conv2d(randomQ('quint8', [1, 2, 4, 4], 1), conv2dPrepack(w), 1, 0).shape).toEqual([1, 0, 2, 2])
  })

  test("edges 2 and 10: a kernel larger than the input, and wrong channels, are refused in the op's name", () => {
    const packed = conv2dPrepack(randomQ('qint8', [16, 3, 3, 3], 1), null, { groups: 2 })
    expect(() => conv2d(randomQ('quint8', [1, 8, 8, 8], 1), packed, 1, 0)).toThrow(
      'quantized.conv2d: x has 8 channels, but weight expects 6 (3 per group × 2 groups). Pass x with 6 channels, or a weight of shape [16, 4, 3, 3].',
    )
    expect(() => conv2d(randomQ('quint8', [1, 6, 2, 8], 1), packed, 1, 0)).toThrow(/kernel is larger/)
    expect(() => conv2d(randomQ('quint8', [6, 8, 8], 1), packed, 1, 0)).toThrow(/x.reshape\(\[1, 6, 8, 8\]\)/)
  })
})

describe('weights per channel', () => {
  test('edges 29 and 44: scales a million apart and zero points that differ', () => {
    const w = quantizePerChannel(
      tensor(randomReals(3 * 2 * 9, 4), [3, 2, 3, 3]),
      [1e-6, 0.01, 1],
      [-7, 0, 100],
      0,
      'qint8',
    )
    check(randomQ('quint8', [1, 2, 5, 5], 2), w, randomReals(3, 1), { padding: 1 }, { ...out, scale: 0.02 })
  })

  test('edge 43: a channel of zeros gives its bias', () => {
    const w = quantizePerChannel(zeros([2, 1, 2, 2]), [1e-7, 0.5], [0, 0], 0, 'qint8')
    const x = randomQ('quint8', [1, 1, 2, 2], 1, { scale: 0.5, zeroPoint: 0 })
    expect(
      conv2d(x, conv2dPrepack(w, tensor([0, 3])), 0.5, 1)
        .intRepr()
        .toArray(),
    ).toEqual([[[[1]], [[7]]]])
  })

  test('edge 30: scales along another axis are refused', () => {
    const w = quantizePerChannel(zeros([2, 3, 1, 1]), [1, 1, 1], [0, 0, 0], 1, 'qint8')
    expect(() => conv2dPrepack(w)).toThrow(/per channel along axis 0.*scales along axis 1/)
  })
})

test('the async form gives the same bytes, many at once', async () => {
  const packed = conv2dPrepack(randomQ('qint8', [8, 3, 3, 3], 1), tensor(randomReals(8, 2)), { padding: 1 })
  const inputs = Array.from({ length: 16 }, (_, i) => randomQ('quint8', [1, 3, 8, 8], i))
  const results = await Promise.all(inputs.map((x) => quantized.conv2dAsync(x, packed, 0.1, 7)))
  const serial = inputs.map((x) => conv2d(x, packed, 0.1, 7))
  expect(results.map((y) => y.storage)).toEqual(serial.map((y) => y.storage))
  await expect(quantized.conv2dAsync(zeros([1]) as never, packed, 0.1, 7)).rejects.toThrow(DTypeError)
})

test('edge 66: an input written to after an async run was started does not change the result', async () => {
  const packed = conv2dPrepack(randomQ('qint8', [2, 3, 3, 3], 1))
  const x = randomQ('quint8', [1, 3, 4, 4], 1)
  const expected = quantized.conv2dInt32(x, packed).data
  const run = quantized.conv2dInt32Async(x, packed)
  x.storage.fill(0)
  expect((await run).data).toEqual(expected)
})
