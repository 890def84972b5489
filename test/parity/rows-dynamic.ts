/** Parity rows of dynamic quantization (numerics.md 2, 5). */
import fc from 'fast-check'
import { row, type Rows } from './case'
import { channelCounts, lengths } from './geometry'
import { floatFills, type Source } from './random'

const floatFill = fc.constantFrom(...floatFills)

/** Scale and zero point as a model has them, or any floats. */
function params(source: Source): Float32Array {
  if (source.integer(0, 3) === 0) return source.floats(2, 'bits')
  const y = source.place(Float32Array, 2)
  y[0] = source.pick([1, 2 ** -4, source.magnitude(-12, 4)])
  y[1] = source.pick([source.code('quint8'), source.code('quint8') + 0.5, -3, 256, 1e30])
  return y
}

export const dynamicRows: Rows<'dynamicParams' | 'quantizeBy' | 'dynamicRescale'> = {
  dynamicParams: row(fc.record({ length: lengths, fill: floatFill }), ({ length, fill }, source) => {
    const unit = source.pick([1, 1, 2 ** -140, 2 ** -148, 2 ** 118, 2 ** 124, 0])
    return { x: source.floats(length, fill, unit), y: source.place(Float32Array, 2) }
  }),
  quantizeBy: row(fc.record({ length: lengths, fill: floatFill }), ({ length, fill }, source) => {
    const by = params(source)
    return { x: source.floats(length, fill, by[0] ?? 1), y: source.place(Uint8Array, length), params: by }
  }),
  dynamicRescale: row(
    fc.record({
      rows: fc.oneof(fc.nat(20), fc.constantFrom(31, 64, 1025)),
      channels: channelCounts,
      extremes: fc.boolean(),
      bias: fc.constantFrom('none', ...floatFills),
      inPlace: fc.boolean(),
    }),
    ({ rows, channels, extremes, bias, inPlace }, source) => {
      const most = extremes ? 2147483647 : 300_000
      const x = source.integers(rows * channels, -most - 1, most)
      const y = inPlace ? new Float32Array(x.buffer, x.byteOffset, x.length) : source.place(Float32Array, x.length)
      const [lo, hi] = source.floatBounds()
      return {
        x,
        y,
        params: params(source),
        sums: source.integers(channels, -most - 1, most),
        scales: source.multipliers(channels, -12, 0),
        bias: bias === 'none' ? null : source.floats(channels, bias),
        rows,
        channels,
        lo,
        hi,
      }
    },
  ),
}
