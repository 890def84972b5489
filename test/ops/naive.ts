/** Quantized ops by their definitions (numerics.md 4 to 6), one element at a time: what the ops are compared with. */
import { codeArrayClass, codeRange, type QDType8 } from '../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../src/tensor/qtensor'

const { fround } = Math

/** Rounds half to even. */
export function halfEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest < 0.5) return floor
  if (rest > 0.5) return floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/** `zp + rne(clamp(v, lo - zp, hi - zp))` */
export function toCode(v: number, zp: number, lo: number, hi: number): number {
  return zp + halfEven(Math.min(Math.max(v, lo - zp), hi - zp))
}

/** Geometry of {@link naiveConv}: two axes, one number for both. */
export interface NaiveGeometry {
  readonly stride?: number
  readonly padding?: number
  readonly dilation?: number
  readonly groups?: number
}

/** Scale and zero point of an output channel of a weight. */
export function channelParams(w: QTensor, channel: number): { readonly scale: number; readonly zeroPoint: number } {
  const { qparams } = w
  if (qparams.kind === 'perTensor') return qparams
  return { scale: qparams.scales[channel] ?? NaN, zeroPoint: qparams.zeroPoints[channel] ?? NaN }
}

/** Accumulators `Σ (x - zx)(w - zw)` of a two-dimensional convolution, row-major `[N, O, oH, oW]`. */
export function naiveConv(x: QTensor, w: QTensor, geometry: NaiveGeometry = {}): { shape: number[]; data: number[] } {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = geometry
  const [N = 0, C = 0, H = 0, W = 0] = x.shape
  const [O = 0, I = 0, KH = 0, KW = 0] = w.shape
  const size = (length: number, k: number): number =>
    Math.floor((length + 2 * padding - dilation * (k - 1) - 1) / stride) + 1
  const [OH, OW] = [size(H, KH), size(W, KW)]
  const xs = x.intRepr().data
  const ws = w.intRepr().data
  const data: number[] = []
  for (let n = 0; n < N; n++)
    for (let o = 0; o < O; o++)
      for (let oh = 0; oh < OH; oh++)
        for (let ow = 0; ow < OW; ow++) {
          let sum = 0
          const first = Math.floor(o / (O / groups)) * I
          for (let i = 0; i < I; i++)
            for (let kh = 0; kh < KH; kh++)
              for (let kw = 0; kw < KW; kw++) {
                const h = oh * stride - padding + kh * dilation
                const v = ow * stride - padding + kw * dilation
                if (h < 0 || h >= H || v < 0 || v >= W) continue
                const code = xs[((n * C + first + i) * H + h) * W + v] ?? NaN
                const weight = ws[((o * I + i) * KH + kh) * KW + kw] ?? NaN
                sum += (code - x.zeroPoint) * (weight - channelParams(w, o).zeroPoint)
              }
          data.push(sum)
        }
  return { shape: [N, O, OH, OW], data }
}

/** The int32 bias of a channel. */
export function biasCode(bias: number, product: number): number {
  const v = fround(fround(bias) * fround(1 / product))
  return Number.isNaN(v) ? 0 : toCode(v, 0, -2147483648, 2147483647)
}

/** Accumulators to codes; `channel` tells the output channel of an element. */
export function naiveRequantize(
  acc: readonly number[],
  channel: (i: number) => number,
  x: QTensor,
  w: QTensor,
  bias: readonly number[] | null,
  y: {
    readonly scale: number
    readonly zeroPoint: number
    readonly dtype: QDType8
    readonly lo?: number
    readonly hi?: number
  },
): number[] {
  const [min, max] = codeRange[y.dtype]
  return acc.map((sum, i) => {
    const c = channel(i)
    const { scale } = channelParams(w, c)
    const product = fround(x.scale * scale)
    const m = product < 2 ** -126 ? fround((x.scale * scale) / y.scale) : fround(product / fround(y.scale))
    const total = sum + (bias === null ? 0 : biasCode(bias[c] ?? NaN, product))
    return toCode(fround(fround(total) * m), y.zeroPoint, y.lo ?? min, y.hi ?? max)
  })
}

/** A quantized tensor of pseudo-random codes: the same for the same seed. */
export function randomQ<D extends QDType8>(
  dtype: D,
  shape: readonly number[],
  seed: number,
  params: { readonly scale: number; readonly zeroPoint: number } = { scale: 0.05, zeroPoint: 3 },
): QTensor<D> {
  const size = shape.reduce((a, b) => a * b, 1)
  let state = (seed * 2654435761 + 12345) >>> 0
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  }
  const codes = new (codeArrayClass(dtype))(size)
  const [least] = codeRange[dtype]
  for (let i = 0; i < size; i++) codes[i] = next() + least
  return fromIntRepr(codes, shape, dtype, params)
}

/** Numbers from -1 to 1, the same for the same seed. */
export function randomReals(length: number, seed: number): Float32Array {
  const codes = randomQ('qint8', [length], seed).storage
  return Float32Array.from(codes, (code) => code / 128)
}
