/** Protects `explain`: whatever the layer, the code of every element is the one the op computed. */
import fc from 'fast-check'
import * as quantized from '../../../src/ops/quantized'
import { explain } from '../../../src/quantization/explain'
import type { QDType8 } from '../../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../../src/tensor/qtensor'
import { tensor, type Tensor } from '../../../src/tensor/tensor'

beforeAll(() => {
  jest.spyOn(process, 'emitWarning').mockImplementation()
})
afterAll(() => {
  jest.restoreAllMocks()
})

describe('explain', () => {
  const types = fc.constantFrom<QDType8>('quint8', 'qint8')
  const codes = (length: number): fc.Arbitrary<number[]> =>
    fc.array(fc.nat(255), { minLength: length, maxLength: length })
  const quantize = (bytes: readonly number[], shape: number[], dtype: QDType8, zeroPoint: number): QTensor<QDType8> =>
    dtype === 'quint8'
      ? fromIntRepr(Uint8Array.from(bytes), shape, 'quint8', { scale: 0.03, zeroPoint })
      : fromIntRepr(Int8Array.from(bytes), shape, 'qint8', { scale: 0.02, zeroPoint: zeroPoint - 128 })

  test('arrives at the code and the accumulator of every element of a convolution', () => {
    const cases = fc.record({
      x: fc.tuple(types, codes(2 * 4 * 4 * 3), fc.nat(255)),
      w: fc.tuple(types, codes(4 * 2 * 2 * 3), fc.nat(255)),
      bias: fc.option(fc.array(fc.float({ min: -5, max: 5, noNaN: true }), { minLength: 4, maxLength: 4 })),
      padding: fc.nat(2),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      zeroPoint: fc.nat(127),
      form: fc.constantFrom('plain', 'relu', 'clip'),
    })
    fc.assert(
      fc.property(cases, (c) => {
        const input = quantize(c.x[1], [2, 4, 4, 3], ...([c.x[0], c.x[2]] as const))
        const options = {
          padding: [
            [c.padding, 1],
            [1, c.padding],
          ] as const,
          stride: c.stride,
          dilation: [c.dilation, 1],
          groups: 2,
        }
        const w = quantize(c.w[1], [4, 2, 2, 3], ...([c.w[0], c.w[2]] as const))
        const packed = quantized.conv2dPrepack(w, c.bias === null ? null : tensor(c.bias), options)
        const [scale, zeroPoint] = [0.1, c.zeroPoint]
        const y =
          c.form === 'clip'
            ? quantized.conv2dClip(input, packed, scale, zeroPoint, { min: -1, max: 6 })
            : (c.form === 'relu' ? quantized.conv2dRelu : quantized.conv2d)(input, packed, scale, zeroPoint)
        const sums = quantized.conv2dInt32(input, packed)
        const [, channels = 1, height = 1, width = 1] = y.shape
        y.intRepr().data.forEach((code: number, i: number) => {
          const index = [
            Math.floor(i / (channels * height * width)),
            Math.floor(i / (height * width)) % channels,
            Math.floor(i / width) % height,
            i % width,
          ]
          const e = explain(input, packed, {
            index,
            scale,
            zeroPoint,
            ...(c.form === 'relu' && { activation: 'relu' }),
            ...(c.form === 'clip' && { activation: { min: -1, max: 6 } }),
          })
          expect([e.code, e.accumulator.value]).toEqual([code, sums.data[i]])
        })
      }),
      { numRuns: 60 },
    )
  })

  type Form = 'plain' | 'relu' | { readonly min: number; readonly max: number }
  interface Family {
    readonly x: readonly number[]
    readonly w: readonly number[]
    readonly run: (q: Run) => readonly [quantized.PackedConv | quantized.PackedLinear, QTensor<QDType8>]
  }
  interface Run {
    readonly x: QTensor<QDType8>
    readonly w: QTensor<QDType8>
    readonly bias: Tensor | null
    readonly scale: number
    readonly zeroPoint: number
    readonly form: Form
    readonly dtype: QDType8
    readonly groups: number
    readonly dilation: number
  }
  type Op<P> = (x: QTensor<QDType8>, packed: P, scale: number, zp: number, o: { dtype: QDType8 }) => QTensor<QDType8>
  type Clip<P> = (
    x: QTensor<QDType8>,
    packed: P,
    scale: number,
    zp: number,
    o: { dtype: QDType8; min: number; max: number },
  ) => QTensor<QDType8>
  const call = <P>({ x, scale, zeroPoint, dtype, form }: Run, packed: P, ops: [Op<P>, Op<P>, Clip<P>]) => {
    if (typeof form === 'object') return [packed, ops[2](x, packed, scale, zeroPoint, { dtype, ...form })] as const
    return [packed, ops[form === 'relu' ? 1 : 0](x, packed, scale, zeroPoint, { dtype })] as const
  }
  const { conv1d, conv1dRelu, conv1dClip, conv2d, conv2dRelu, conv2dClip, conv3d, conv3dRelu, conv3dClip } = quantized
  const { linear, linearRelu, linearClip } = quantized
  const families: Readonly<Record<string, Family>> = {
    'a 1-D convolution': {
      x: [2, 4, 7],
      w: [4, 2, 3],
      run: (q) => {
        const { groups, dilation } = q
        const packed = quantized.conv1dPrepack(q.w, q.bias, { groups, dilation, stride: 2, padding: [[0, 2]] })
        return call(q, packed, [conv1d, conv1dRelu, conv1dClip])
      },
    },
    'a 2-D convolution, channels last': {
      x: [1, 4, 5, 4],
      w: [4, 2, 3, 2],
      run: (q) => {
        const { groups, dilation } = q
        const packed = quantized.conv2dPrepack(q.w, q.bias, { groups, dilation: [1, dilation], padding: 1 })
        return call({ ...q, x: q.x.contiguous('channelsLast') }, packed, [conv2d, conv2dRelu, conv2dClip])
      },
    },
    'a 3-D convolution': {
      x: [1, 4, 2, 3, 4],
      w: [4, 2, 1, 2, 2],
      run: (q) => {
        const { groups, dilation } = q
        const packed = quantized.conv3dPrepack(q.w, q.bias, { groups, dilation: [1, 1, dilation], padding: [1, 0, 1] })
        return call(q, packed, [conv3d, conv3dRelu, conv3dClip])
      },
    },
    'a linear layer': {
      x: [2, 3, 6],
      w: [4, 6],
      run: (q) => call(q, quantized.linearPrepack(q.w, q.bias), [linear, linearRelu, linearClip]),
    },
  }
  const floats = (min: number, max: number): fc.Arbitrary<number> =>
    fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true })
  const elements = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1)

  /** The codes in the type: bytes, or bytes less 128. */
  const make = (
    bytes: readonly number[],
    shape: readonly number[],
    dtype: QDType8,
    scales: readonly number[],
    zeros: readonly number[],
  ): QTensor<QDType8> => {
    const zeroPoints = dtype === 'quint8' ? zeros : zeros.map((zero) => zero - 128)
    const params =
      scales.length === 1
        ? { scale: scales[0] ?? 1, zeroPoint: zeroPoints[0] ?? 0 }
        : { scales: [...scales], zeroPoints: [...zeroPoints], axis: 0 }
    return dtype === 'quint8'
      ? fromIntRepr(Uint8Array.from(bytes), shape, dtype, params)
      : fromIntRepr(
          Int8Array.from(bytes, (byte) => byte - 128),
          shape,
          dtype,
          params,
        )
  }

  test.each(Object.entries(families))(
    'arrives at the code of every element of %s, whatever the types, parameters and activation',
    (_, family) => {
      const size = 4
      const four = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { minLength: size, maxLength: size })
      const cases = fc.record({
        x: codes(elements(family.x)),
        w: codes(elements(family.w)),
        types: fc.tuple(types, types, types),
        zeros: fc.tuple(fc.nat(255), four(fc.nat(255)), fc.nat(255)),
        scales: fc.tuple(floats(0.001, 1), four(floats(0.001, 1)), floats(0.01, 10)),
        perChannel: fc.boolean(),
        bias: fc.option(four(floats(-50, 50))),
        form: fc.oneof(
          fc.constantFrom<Form>('plain', 'relu'),
          fc.record({ min: floats(-100, 0), max: floats(0, 100) }),
        ),
        dilation: fc.integer({ min: 1, max: 2 }),
      })
      fc.assert(
        fc.property(cases, ({ types: [xType, wType, dtype], zeros, scales, form, bias, ...c }) => {
          const channels = c.perChannel ? size : 1
          const scale = scales[2]
          const zeroPoint = zeros[2] - (dtype === 'quint8' ? 0 : 128)
          const input = make(c.x, family.x, xType, [scales[0]], [zeros[0]])
          const [packed, y] = family.run({
            x: input,
            w: make(c.w, family.w, wType, scales[1].slice(0, channels), zeros[1].slice(0, channels)),
            bias: bias === null ? null : tensor(bias),
            scale,
            zeroPoint,
            form,
            dtype,
            groups: 2,
            dilation: c.dilation,
          })
          const activation = form === 'plain' ? {} : { activation: form }
          y.intRepr().data.forEach((code: number, i: number) => {
            let rest = i
            const index = y.shape.toReversed().map((length) => {
              const at = rest % length
              rest = Math.floor(rest / length)
              return at
            })
            const e = explain(input, packed, { index: index.toReversed(), scale, zeroPoint, dtype, ...activation })
            expect([e.index, e.code]).toEqual([index.toReversed(), code])
          })
        }),
        { numRuns: 40 },
      )
    },
  )
})
