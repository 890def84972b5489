/** Protects packed weights: what they keep, what they show, and what is refused when packing and running. */
import { OverflowError } from '../../../src/errors'
import * as quantized from '../../../src/ops/quantized'
import { fromIntRepr } from '../../../src/tensor/qtensor'
import { quantizePerChannel, quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor, zeros } from '../../../src/tensor/tensor'
import { randomQ, randomReals } from '../naive'

const { conv2d, conv2dPrepack } = quantized

describe('prepack', () => {
  test('unpack gives copies of what was packed, in any scheme and memory format', () => {
    const w = quantizePerChannel(tensor(randomReals(24, 3), [2, 3, 2, 2]), [0.1, 0.2], [1, -1], 0, 'qint8')
    const packed = conv2dPrepack(w.contiguous('channelsLast'), tensor([1, 2]))
    const { weight, bias } = packed.unpack()
    expect([...weight.intRepr().data]).toEqual([...w.intRepr().data])
    expect(weight.qparams).toEqual(w.qparams)
    expect(bias?.toArray()).toEqual([1, 2])
  })

  test('writing to what was packed, or to what was unpacked, changes nothing', () => {
    const w = randomQ('qint8', [1, 1, 2, 2], 1)
    const bias = tensor([1])
    const packed = conv2dPrepack(w, bias)
    const x = randomQ('quint8', [1, 1, 2, 2], 2)
    const before = Int32Array.from(packed.unpack().weight.storage)
    w.storage.fill(0)
    bias.storage.fill(100)
    packed.unpack().weight.storage.fill(0)
    expect(Int32Array.from(packed.unpack().weight.storage)).toEqual(before)
    expect([...quantized.conv2dInt32(x, packed).data]).toEqual([
      ...quantized.conv2dInt32(x, conv2dPrepack(packed.unpack().weight, tensor([1]))).data,
    ])
  })

  test('shows its geometry', () => {
    const packed = conv2dPrepack(randomQ('qint8', [4, 2, 3, 1], 1), null, { stride: 2, padding: [1, 0], groups: 2 })
    expect(packed).toMatchObject({
      axes: 2,
      inChannels: 4,
      outChannels: 4,
      kernelSize: [3, 1],
      stride: [2, 2],
      padding: [
        [1, 1],
        [0, 0],
      ],
      dilation: [1, 1],
      groups: 2,
    })
    expect(Object.isFrozen(packed)).toBe(true)
  })

  test.each<[string, () => unknown, RegExp]>([
    [
      'a float weight',
      () => conv2dPrepack(zeros([1, 1, 1, 1]) as never),
      /weight must be a QTensor of quint8 or qint8.*It is not quantized/,
    ],
    [
      'a weight of qint32',
      () => conv2dPrepack(quantizePerTensor(zeros([1, 1, 1, 1]), 1, 0, 'qint32') as never),
      /a QTensor of qint32/,
    ],
    ['a weight of the wrong rank', () => conv2dPrepack(randomQ('qint8', [2, 2], 1)), /weight must be of rank 4/],
    [
      'a name that is no string',
      () => conv2dPrepack(randomQ('qint8', [1, 1, 1, 1], 1), null, { name: 1 } as never),
      /options.name must be a string/,
    ],
    [
      'an unknown option',
      () => conv2dPrepack(randomQ('qint8', [1, 1, 1, 1], 1), null, { pad: 1 } as never),
      /unknown key, "pad"/,
    ],
  ])('refuses %s', (_, call, message) => {
    expect(call).toThrow(message)
  })

  test.each<[string, () => unknown, RegExp]>([
    [
      'a weight that was not packed',
      () => conv2d(randomQ('quint8', [1, 1, 1, 1], 1), randomQ('qint8', [1, 1, 1, 1], 1) as never, 1, 0),
      /packed must be what quantized.conv2dPrepack returns, but got a tensor. Pack the weight once/,
    ],
    [
      'a weight packed for another op',
      () =>
        conv2d(
          randomQ('quint8', [1, 1, 1, 1], 1),
          quantized.conv1dPrepack(randomQ('qint8', [1, 1, 1], 1)) as never,
          1,
          0,
        ),
      /but got what quantized.conv1dPrepack returns/,
    ],
    [
      'a float input',
      () => conv2d(zeros([1, 1, 1, 1]) as never, conv2dPrepack(randomQ('qint8', [1, 1, 1, 1], 1)), 1, 0),
      /nn.QuantStub/,
    ],
    [
      'an input per channel',
      () =>
        conv2d(
          quantizePerChannel(zeros([1, 1, 1, 1]), [1], [0], 1, 'quint8'),
          conv2dPrepack(randomQ('qint8', [1, 1, 1, 1], 1)),
          1,
          0,
        ),
      /x must be quantized per tensor/,
    ],
    [
      'a result of qint32',
      () =>
        conv2d(randomQ('quint8', [1, 1, 1, 1], 1), conv2dPrepack(randomQ('qint8', [1, 1, 1, 1], 1)), 1, 0, {
          dtype: 'qint32' as never,
        }),
      /dtype must be quint8 or qint8/,
    ],
  ])('conv2d refuses %s', (_, call, message) => {
    expect(call).toThrow(message)
  })
})

test('the overflow error is of its own class', () => {
  const w = fromIntRepr(new Uint8Array(33026).fill(255), [1, 33026, 1, 1], 'quint8', { scale: 1, zeroPoint: 0 })
  expect(() => conv2dPrepack(w)).toThrow(OverflowError)
})
