/** Protects the form in which quantized tensors lie in files: codes, scale, zero point, as PyTorch dumps write them. */
import { ArgumentError, FormatError } from '../../src/errors'
import { parseSafetensors, serializeSafetensors } from '../../src/io/safetensors'
import { fromTensors, toTensors } from '../../src/io/state-dict'
import type { DType } from '../../src/tensor/dtype'
import { fromIntRepr, isQTensor, type QTensor } from '../../src/tensor/qtensor'
import { tensor, type Tensor } from '../../src/tensor/tensor'

type Dict = Map<string, Tensor<DType> | QTensor>

function roundTrip(dict: Dict): Dict {
  return fromTensors(parseSafetensors(serializeSafetensors(dict)).tensors)
}

function quantized(dict: Dict, name: string): QTensor {
  const value = dict.get(name)
  if (!isQTensor(value)) throw new Error(`${name} is not quantized`)
  return value
}

const perTensor = fromIntRepr(Uint8Array.of(1, 2, 3, 4), [2, 2], 'quint8', { scale: 0.25, zeroPoint: 7 })
const perChannel = fromIntRepr(Int8Array.of(1, -2, 3, 4, 5, 6), [2, 3], 'qint8', {
  scales: [0.5, 0.125],
  zeroPoints: [0, -3],
  axis: 0,
})

describe('a state dict', () => {
  test('goes through a file and comes back: floats, per tensor, per channel, another axis, int32 codes', () => {
    const otherAxis = fromIntRepr(Int32Array.of(1, 2, 3, 4), [2, 2], 'qint32', {
      scales: [1, 2],
      zeroPoints: [0, 1],
      axis: 1,
    })
    const back = roundTrip(
      new Map<string, Tensor<DType> | QTensor>([
        ['fc.weight', perChannel],
        ['fc.bias', tensor([1, 2])],
        ['fc.scale', tensor(0.5)],
        ['fc.zero_point', tensor(3, [], { dtype: 'int32' })],
        ['x', perTensor],
        ['y', otherAxis],
      ]),
    )
    expect([...back.keys()].sort()).toEqual(['fc.bias', 'fc.scale', 'fc.weight', 'fc.zero_point', 'x', 'y'])
    expect(quantized(back, 'fc.weight')).toMatchObject({ dtype: 'qint8', qparams: perChannel.qparams })
    expect(quantized(back, 'fc.weight').intRepr().toArray()).toEqual(perChannel.intRepr().toArray())
    expect(quantized(back, 'x')).toMatchObject({ dtype: 'quint8', qparams: perTensor.qparams, shape: [2, 2] })
    expect(quantized(back, 'y')).toMatchObject({ dtype: 'qint32', qparams: otherAxis.qparams })
  })

  test('has scalars per tensor and vectors per channel', () => {
    const tensors = toTensors(
      new Map<string, QTensor>([
        ['a', perTensor],
        ['b', perChannel],
      ]),
    )
    expect([...tensors].map(([name, t]) => [name, t.dtype, t.shape])).toEqual([
      ['a', 'uint8', [2, 2]],
      ['a_scale', 'float32', []],
      ['a_zero_point', 'int32', []],
      ['b', 'int8', [2, 3]],
      ['b_scale', 'float32', [2]],
      ['b_zero_point', 'int32', [2]],
    ])
  })

  test('keeps integer tensors without a scale, and floats beside one, as they are', () => {
    const plain = new Map<string, Tensor<DType>>([
      ['n', tensor([1], [1], { dtype: 'int32' })],
      ['w', tensor([1])],
      ['w_scale', tensor(1)],
      ['w_zero_point', tensor(0, [], { dtype: 'int32' })],
    ])
    expect(fromTensors(plain)).toEqual(plain)
  })

  test('refuses a name taken twice', () => {
    expect(() =>
      toTensors(
        new Map<string, Tensor | QTensor>([
          ['a_scale', tensor(1)],
          ['a', perTensor],
        ]),
      ),
    ).toThrow(ArgumentError)
  })

  test('refuses parts that are missing or do not fit, and names the tensor', () => {
    const refused = (changes: readonly (readonly [string, Tensor<DType> | null])[]): string => {
      const tensors = toTensors(new Map([['w', perChannel]]))
      for (const [name, value] of changes)
        if (value === null) tensors.delete(name)
        else tensors.set(name, value)
      expect(() => fromTensors(tensors)).toThrow(FormatError)
      try {
        fromTensors(tensors)
      } catch (error) {
        return (error as Error).message
      }
      return ''
    }
    expect(refused([['w_scale', null]])).toMatch('quantized tensor "w": w_scale is missing')
    expect(refused([['w_zero_point', null]])).toMatch('w_zero_point is missing')
    expect(refused([['w_scale', tensor([1, 2, 3])]])).toMatch('scales must be 2 values')
    expect(refused([['w_scale', tensor([1, 0])]])).toMatch('scales[1] must be a finite, positive float32')
    expect(refused([['w_zero_point', tensor([0, 200], [2], { dtype: 'int32' })]])).toMatch('zeroPoints[1]')
    expect(refused([['w_zero_point', tensor(0, [], { dtype: 'int32' })]])).toMatch('both be scalars or both be vectors')
    expect(refused([['w_scale', tensor([1, 2], [2], { dtype: 'int32' })]])).toMatch('must be float32 and int32')
    expect(refused([['w_axis', tensor(5, [], { dtype: 'int32' })]])).toMatch('axis')
  })
})
