/** Parity rows of the convolutions and linears (numerics.md 4, 5, 7). */
import fc from 'fast-check'
import type {
  AccumulatorOutput,
  Backend,
  BoundQuantized,
  ConvGeometry,
  Dims3,
  Kernels,
  PackedFloat,
  TransposedSteps,
} from '../../src/backend/contract'
import { row, type Row, type Rows } from './case'
import { channelCounts, convolutions, depths, transposedConvolutions, volume } from './geometry'
import { codeFills, floatFills, rangeOf, type CodeDType, type CodeFill, type FloatFill, type Source } from './random'

const dtypes = fc.constantFrom<CodeDType>('quint8', 'qint8')
const codeFill = fc.constantFrom(...codeFills)
const floatFill = fc.constantFrom(...floatFills, 'small', 'small')
/** Rows around the tiles of the kernels, and enough of them for every thread. */
const rowCounts = fc.oneof(fc.nat(14), fc.constantFrom(15, 16, 17, 24, 25, 31, 33, 63, 64, 65, 100))

interface QuantizedDraw {
  readonly xDType: CodeDType
  readonly wDType: CodeDType
  readonly xFill: CodeFill
  readonly wFill: CodeFill
  /** Weight zero points: none, one for all, one per channel. */
  readonly wZeroPoints: 'zero' | 'same' | 'each'
  readonly output: 'quint8' | 'qint8' | 'int32' | 'float32'
}
const quantizedDraws: fc.Arbitrary<QuantizedDraw> = fc.record({
  xDType: dtypes,
  wDType: dtypes,
  xFill: codeFill,
  wFill: codeFill,
  wZeroPoints: fc.constantFrom('zero', 'same', 'each'),
  output: fc.constantFrom('quint8', 'quint8', 'qint8', 'int32', 'float32'),
})

interface WeightShape {
  readonly groups: number
  readonly outChannels: number
  readonly kernel: Dims3
  readonly inPerGroup: number
  readonly transposed?: TransposedSteps
}

function boundQuantized(drawn: QuantizedDraw, shape: WeightShape, source: Source, backend: Backend): BoundQuantized {
  const { outChannels } = shape
  const depth = volume(shape.kernel) * shape.inPerGroup
  const same = drawn.wZeroPoints === 'zero' ? 0 : source.code(drawn.wDType)
  const zeroPoints = source
    .integers(outChannels, ...rangeOf(drawn.wDType))
    .map((zeroPoint) => (drawn.wZeroPoints === 'each' ? zeroPoint : same))
  const packed = backend.packQuantized({
    codes: source.codes(drawn.wDType, outChannels * depth, drawn.wFill),
    zeroPoints,
    ...shape,
  })
  // What the worst sum leaves free of int32 (numerics.md 4).
  const room = 2147483647 - 255 * 255 * depth
  const most = source.pick([0, 1000, 1000 * (depth + 1), room])
  return backend.bindQuantized(packed, {
    xDType: drawn.xDType,
    xZeroPoint: source.code(drawn.xDType),
    bias: source.integers(outChannels, -Math.min(most, room), Math.min(most, room)),
    output: outputOf(drawn.output, outChannels, depth, source),
  })
}

function outputOf(kind: QuantizedDraw['output'], channels: number, depth: number, source: Source): AccumulatorOutput {
  if (kind === 'int32') return { kind }
  // Factors that bring the usual sum into the range of the codes.
  const usual = -6 - Math.log2(depth + 1) / 2
  if (kind === 'float32') {
    const [lo, hi] = source.floatBounds()
    const scales = source.multipliers(channels, usual - 4, usual + 4)
    return {
      kind,
      scales,
      bias: source.pick([null, source.floats(channels, 'small'), source.floats(channels, 'bits')]),
      lo,
      hi,
    }
  }
  const [lo, hi] = source.bounds(kind)
  const multipliers = source.multipliers(channels, usual - 4, usual + 4)
  return { kind: 'codes', dtype: kind, multipliers, zeroPoint: source.code(kind), lo, hi }
}

function blankOutput(
  kind: QuantizedDraw['output'],
  length: number,
  source: Source,
): ReturnType<Source['codes']> | Int32Array | Float32Array {
  if (kind === 'int32') return source.place(Int32Array, length)
  return kind === 'float32' ? source.place(Float32Array, length) : source.blankCodes(kind, length)
}

function packedFloat(fill: FloatFill, shape: WeightShape, source: Source, backend: Backend): PackedFloat {
  const values = source.floats(shape.outChannels * volume(shape.kernel) * shape.inPerGroup, fill)
  return backend.packFloat({ values, bias: source.pick([null, source.floats(shape.outChannels, fill)]), ...shape })
}

function linearShape(outChannels: number, inPerGroup: number): WeightShape {
  return { groups: 1, outChannels, kernel: [1, 1, 1], inPerGroup }
}

function weightShape(g: ConvGeometry, transposed: boolean): WeightShape {
  const { groups, outChannels, kernel, stride, dilation } = g
  const shape = { groups, outChannels, kernel, inPerGroup: g.inChannels / groups }
  return transposed ? { ...shape, transposed: { stride, dilation } } : shape
}

function qconvRow<K extends 'qconv' | 'qconvTransposed'>(
  geometries: fc.Arbitrary<ConvGeometry>,
  transposed: boolean,
): Row<K> {
  return row(fc.record({ geometry: geometries, drawn: quantizedDraws }), ({ geometry, drawn }, source, backend) => {
    const { batch, inChannels, outChannels, input, output } = geometry
    const op = boundQuantized(drawn, weightShape(geometry, transposed), source, backend)
    const x = source.codes(drawn.xDType, batch * volume(input) * inChannels, drawn.xFill)
    return { op, x, y: blankOutput(drawn.output, batch * volume(output) * outChannels, source), geometry }
  })
}

function fconvRow<K extends 'fconv' | 'fconvTransposed'>(
  geometries: fc.Arbitrary<ConvGeometry>,
  transposed: boolean,
): Row<K> {
  return row(fc.record({ geometry: geometries, fill: floatFill }), ({ geometry, fill }, source, backend) => {
    const { batch, inChannels, outChannels, input, output } = geometry
    const op = packedFloat(fill, weightShape(geometry, transposed), source, backend)
    const x = source.floats(batch * volume(input) * inChannels, fill)
    const [lo, hi] = source.floatBounds()
    const count = batch * volume(output) * outChannels
    const residual = transposed ? {} : { residual: source.pick([null, source.floats(count, fill)]) }
    const operands = { op, x, ...residual, y: source.place(Float32Array, count), geometry, lo, hi }
    return operands as unknown as Kernels[K]
  })
}

export const convRows: Rows<'qconv' | 'qconvTransposed' | 'qlinear' | 'fconv' | 'fconvTransposed' | 'flinear'> = {
  qconv: qconvRow(convolutions(1_000_000), false),
  qconvTransposed: qconvRow(transposedConvolutions(1_000_000), true),
  qlinear: row(
    fc
      .record({ rows: rowCounts, depth: depths, outChannels: channelCounts, drawn: quantizedDraws })
      .filter(({ rows, depth, outChannels }) => Math.max(1, rows) * depth * outChannels <= 2_000_000),
    ({ rows, depth, outChannels, drawn }, source, backend) => {
      const op = boundQuantized(drawn, linearShape(outChannels, depth), source, backend)
      const x = source.codes(drawn.xDType, rows * depth, drawn.xFill)
      return { op, x, y: blankOutput(drawn.output, rows * outChannels, source), rows }
    },
  ),
  fconv: fconvRow(convolutions(200_000), false),
  fconvTransposed: fconvRow(transposedConvolutions(200_000), true),
  flinear: row(
    fc
      .record({ rows: rowCounts, depth: depths, outChannels: channelCounts, fill: floatFill })
      .filter(({ rows, depth, outChannels }) => Math.max(1, rows) * depth * outChannels <= 200_000),
    ({ rows, depth, outChannels, fill }, source, backend) => {
      const op = packedFloat(fill, linearShape(outChannels, depth), source, backend)
      const [lo, hi] = source.floatBounds()
      return {
        op,
        x: source.floats(rows * depth, fill),
        y: source.place(Float32Array, rows * outChannels),
        rows,
        lo,
        hi,
      }
    },
  ),
}
