/**
 * The contract between `ops` and the backends: every kernel, its operands, their units and their layout.
 *
 * A backend never checks and never allocates a result: `ops` has validated every argument, computed every scale and
 * multiplier, and allocated `y`. What each kernel computes is fixed, to the bit, by `docs/numerics.md`; the section is
 * named beside it. All operands are dense typed arrays. "Channels-last" means `[batch, depth, height, width, channels]`;
 * 1-D and 2-D data have leading spatial sizes of 1.
 */

/** 8-bit codes: `Uint8Array` holds quint8, `Int8Array` holds qint8. */
export type Codes = Uint8Array | Int8Array

/** A spatial triple: depth, height, width. */
export type Dims3 = readonly [depth: number, height: number, width: number]

/** Geometry of a convolution over channels-last data. */
export interface ConvGeometry {
  readonly batch: number
  readonly groups: number
  readonly inChannels: number
  readonly outChannels: number
  readonly input: Dims3
  readonly output: Dims3
  readonly kernel: Dims3
  readonly stride: Dims3
  readonly dilation: Dims3
  /** Padding before the first element of each axis; what lies behind the last follows from `output`. */
  readonly padding: Dims3
}

/**
 * What makes weights those of a transposed convolution: input pixel `i` adds kernel position `k` to output pixel
 * `i * stride + k * dilation - padding`. In its geometry `padding` is what is cut off before the first output pixel.
 */
export interface TransposedSteps {
  readonly stride: Dims3
  readonly dilation: Dims3
}

/** Quantized weights as packing reads them. */
export interface QuantizedWeights {
  /** `[outChannels, taps, inPerGroup]`, taps in the order depth, height, width. */
  readonly codes: Codes
  /** One per output channel, in the range of the codes' type. */
  readonly zeroPoints: Int32Array
  readonly groups: number
  readonly outChannels: number
  readonly kernel: Dims3
  readonly inPerGroup: number
  /** Present: for `qconvTransposed`, whose geometry has the same stride and dilation. */
  readonly transposed?: TransposedSteps
  /** The same weights as a backend packed them before: taken in place of the codes, where it fits. */
  readonly image?: PackedImage
}

/** A file that is mapped into memory. */
export interface MappedFile {
  /** The file's first bytes. */
  readonly buffer: ArrayBuffer
  /** What the backend knows it by. */
  readonly file: object
}

/** Packed weights in a file. */
export interface PackedImage {
  readonly from: MappedFile
  /** Instruction set that packed them. */
  readonly isa: string
  readonly offset: number
  readonly length: number
}

/** Float weights as packing reads them, same layout; the bias starts the accumulators (zeros where absent). */
export interface FloatWeights {
  readonly values: Float32Array
  readonly bias: Float32Array | null
  readonly groups: number
  readonly outChannels: number
  readonly kernel: Dims3
  readonly inPerGroup: number
  /** Present: for `fconvTransposed`, whose geometry has the same stride and dilation. */
  readonly transposed?: TransposedSteps
}

/** What becomes of an accumulator (numerics.md 5). All arrays have one entry per output channel. */
export type AccumulatorOutput =
  | {
      /** `y = zeroPoint + rne(clamp(f(f(acc) * multiplier), lo - zeroPoint, hi - zeroPoint))` */
      readonly kind: 'codes'
      readonly dtype: 'quint8' | 'qint8'
      readonly multipliers: Float32Array
      readonly zeroPoint: number
      /** Inclusive bounds of the result, in codes: the type's range, narrowed by a fused ReLU or clip. */
      readonly lo: number
      readonly hi: number
    }
  | {
      /** `y = acc` */
      readonly kind: 'int32'
    }
  | {
      /** `y = clamp(f(f(f(acc) * scale) + bias), lo, hi)`; `bias` absent means no addition. */
      readonly kind: 'float32'
      readonly scales: Float32Array
      readonly bias: Float32Array | null
      readonly lo: number
      readonly hi: number
    }

/** Everything of a quantized conv or linear that is known before data arrives, beside the weights. */
export interface QuantizedEpilogue {
  readonly xDType: 'quint8' | 'qint8'
  readonly xZeroPoint: number
  /** int32 bias at scale sx*sw, added to the accumulator; zeros where absent. */
  readonly bias: Int32Array
  readonly output: AccumulatorOutput
}

declare const brand: unique symbol
/** Weights in the backend's own packed layout. */
export interface PackedQuantized {
  readonly [brand]: 'PackedQuantized'
}
/** Packed weights together with an epilogue: what `qconv` and `qlinear` run. */
export interface BoundQuantized {
  readonly [brand]: 'BoundQuantized'
}
/** Float weights in the backend's own packed layout. */
export interface PackedFloat {
  readonly [brand]: 'PackedFloat'
}

/**
 * Two operands broadcast against each other: `y` is dense over `shape`, and element `i` of it reads
 * `a[Σ i_d * aStrides_d]` and `b[Σ i_d * bStrides_d]` (stride 0 repeats). Rank 1 to 8, adjacent axes already merged.
 */
export interface Broadcast {
  readonly shape: readonly number[]
  readonly aStrides: readonly number[]
  readonly bStrides: readonly number[]
}

/**
 * Windows of a pooling, already clipped to the input. Per axis `a` and output index `o`, the window holds the input
 * indices `starts[a][o] + j * steps[a]` for `0 <= j < counts[a][o]`. A count of 0 is a window wholly in padding.
 */
export interface PoolWindows {
  readonly batch: number
  readonly channels: number
  readonly input: Dims3
  readonly output: Dims3
  readonly starts: readonly [Int32Array, Int32Array, Int32Array]
  readonly counts: readonly [Int32Array, Int32Array, Int32Array]
  readonly steps: Dims3
}

/** A dense tensor seen as `[outer, channels, inner]`, with one parameter per channel (per tensor: channels = 1). */
export interface ChannelSplit {
  readonly outer: number
  readonly channels: number
  readonly inner: number
}

/** A kernel's operands, by the kernel's name. `x`, `a`, `b`, `w` are read; `y` is written, every element of it. */
export interface Kernels {
  /** float32 to codes (numerics.md 2); `divide` is ONNX's form, otherwise multiplication by `f(1/scale)`. */
  quantize: {
    readonly x: Float32Array
    readonly y: Codes | Int32Array
    readonly split: ChannelSplit
    readonly scales: Float32Array
    readonly zeroPoints: Int32Array
    readonly qmin: number
    readonly qmax: number
    readonly divide: boolean
  }
  /**
   * Scale and zero point of quint8 for the values of x (numerics.md 2): over the finite ones, `lo = min(x, 0)`,
   * `hi = max(x, 0)`; y[0] = `f(f(hi - lo) / 255)`, or 1 where that is 0; y[1] = `clamp(rne(f(-lo / y[0])), 0, 255)`.
   */
  dynamicParams: { readonly x: Float32Array; readonly y: Float32Array }
  /**
   * float32 to quint8 in ONNX's form, with `params` as `dynamicParams` writes them: `[scale, zeroPoint]`, read when the
   * kernel runs. Any floats are allowed: a zero point is clamped to 0..255 and rounded, NaN is 0.
   */
  quantizeBy: { readonly x: Float32Array; readonly y: Uint8Array; readonly params: Float32Array }
  /**
   * Accumulators of codes that `quantizeBy` made, to float32 (numerics.md 5): x, y `[rows, channels]`, x summed with a
   * zero point of 0, `sums_c = Σ_k (w - zw)`: `acc = wrap(x - zeroPoint * sums_c)`,
   * `y = clamp(f(f(f(acc) * f(scale * scales_c)) + bias_c), lo, hi)`; `bias` null means no addition. `params` is read as
   * by `quantizeBy`. y may be x's memory.
   */
  dynamicRescale: {
    readonly x: Int32Array
    readonly y: Float32Array
    readonly params: Float32Array
    readonly sums: Int32Array
    readonly scales: Float32Array
    readonly bias: Float32Array | null
    readonly rows: number
    readonly channels: number
    readonly lo: number
    readonly hi: number
  }
  /** Codes to float32: `f(f(q - zp) * scale)` (numerics.md 2). */
  dequantize: {
    readonly x: Codes | Int32Array
    readonly y: Float32Array
    readonly split: ChannelSplit
    readonly scales: Float32Array
    readonly zeroPoints: Int32Array
  }
  /** Codes to codes of other parameters: `y = yZp + rne(clamp(f(f(q - xZp) * multiplier), lo - yZp, hi - yZp))`. */
  requantize: {
    readonly x: Codes
    readonly y: Codes
    readonly xZeroPoint: number
    readonly yZeroPoint: number
    readonly multiplier: number
    readonly lo: number
    readonly hi: number
  }
  /** `y = clamp(q, lo, hi)`, x and y of one type: ReLU, ReLU6, hardtanh on codes. */
  qclamp: { readonly x: Codes; readonly y: Codes; readonly lo: number; readonly hi: number }
  /** `y = table[byte of x]`: every unary function on 8 bits. The table holds the bytes of the result codes. */
  lookup: { readonly x: Codes; readonly y: Codes; readonly table: Uint8Array }
  /** Quantized add (numerics.md 6), multipliers `A = f(sa/sy)`, `B = f(sb/sy)`. a, b and y have one dtype. */
  qadd: {
    readonly a: Codes
    readonly b: Codes
    readonly y: Codes
    readonly broadcast: Broadcast
    readonly aZeroPoint: number
    readonly bZeroPoint: number
    readonly yZeroPoint: number
    readonly aMultiplier: number
    readonly bMultiplier: number
    readonly lo: number
    readonly hi: number
  }
  /** Quantized mul (numerics.md 6), `multiplier = f(f(sa*sb)/sy)`. a, b and y have one dtype. */
  qmul: {
    readonly a: Codes
    readonly b: Codes
    readonly y: Codes
    readonly broadcast: Broadcast
    readonly aZeroPoint: number
    readonly bZeroPoint: number
    readonly yZeroPoint: number
    readonly multiplier: number
    readonly lo: number
    readonly hi: number
  }
  /** Quantized convolution (numerics.md 4, 5). x, y channels-last; y's array type follows the bound output. */
  qconv: {
    readonly op: BoundQuantized
    readonly x: Codes
    readonly y: Codes | Int32Array | Float32Array
    readonly geometry: ConvGeometry
  }
  /** Quantized transposed convolution (numerics.md 4, 5); an output that no input pixel reaches is its bias. */
  qconvTransposed: Kernels['qconv']
  /** Quantized linear: x `[rows, inFeatures]`, y `[rows, outFeatures]`. */
  qlinear: {
    readonly op: BoundQuantized
    readonly x: Codes
    readonly y: Codes | Int32Array | Float32Array
    readonly rows: number
  }
  /**
   * Products of matrices of codes that are both data (numerics.md 4): y[n] `[rows, columns]` = `Σ_k (a_k - aZeroPoint)
   * (b_k - bZeroPoints_c)` in int32 that wraps, of a[n] `[rows, inner]` and b[n] `[inner, columns]`; n counts to `batch`.
   */
  qmatmulInt32: {
    readonly a: Codes
    readonly b: Codes
    readonly y: Int32Array
    readonly batch: number
    readonly rows: number
    readonly inner: number
    readonly columns: number
    /** Codes from one matrix of the batch to the next; 0 repeats. */
    readonly aStride: number
    readonly bStride: number
    readonly aZeroPoint: number
    /** One for all, or one per column. */
    readonly bZeroPoints: Int32Array
  }
  /** Maximum of the codes in each window (numerics.md 6); an empty window gives the type's minimum. */
  qmaxPool: { readonly x: Codes; readonly y: Codes; readonly windows: PoolWindows }
  /**
   * Average of the codes in each window (numerics.md 6): `S = Σ (q - xZp)`,
   * `y = yZp + rne(clamp(f(f(S) * multipliers[p]), lo - yZp, hi - yZp))`, p the output position (depth, height, width).
   */
  qavgPool: {
    readonly x: Codes
    readonly y: Codes
    readonly windows: PoolWindows
    readonly xZeroPoint: number
    readonly yZeroPoint: number
    readonly multipliers: Float32Array
    readonly lo: number
    readonly hi: number
  }

  /**
   * Float convolution (numerics.md 7), channels-last. `residual`, which lies as y does, is added to the sum; that is
   * clamped to `[lo, hi]` (±Infinity: not at all).
   */
  fconv: {
    readonly op: PackedFloat
    readonly x: Float32Array
    readonly residual: Float32Array | null
    readonly y: Float32Array
    readonly geometry: ConvGeometry
    readonly lo: number
    readonly hi: number
  }
  /** Float transposed convolution (numerics.md 7): k ascends over the input's depth, row, column, channel. */
  fconvTransposed: Omit<Kernels['fconv'], 'residual'>
  /** Float linear: x `[rows, inFeatures]`, y `[rows, outFeatures]`. */
  flinear: {
    readonly op: PackedFloat
    readonly x: Float32Array
    readonly y: Float32Array
    readonly rows: number
    readonly lo: number
    readonly hi: number
  }
  /**
   * Products of matrices that are both data (numerics.md 7): y[n] `[rows, columns]` = a[n] `[rows, inner]` times b[n]
   * `[inner, columns]`, or `[columns, inner]` with `transposeB`; n counts to `batch`. Each output is one fma chain over
   * ascending k, from 0.
   */
  fmatmul: {
    readonly a: Float32Array
    readonly b: Float32Array
    readonly y: Float32Array
    readonly batch: number
    readonly rows: number
    readonly inner: number
    readonly columns: number
    /** Elements from one matrix of the batch to the next; 0 repeats. */
    readonly aStride: number
    readonly bStride: number
    readonly transposeB: boolean
  }
  /** `y = f(a op b)`, one rounding; `min` and `max` propagate NaN, `max(-0, +0) = +0`; `pow` is a to the power b. */
  fbinary: {
    readonly a: Float32Array
    readonly b: Float32Array
    readonly y: Float32Array
    readonly broadcast: Broadcast
    readonly op: 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'pow'
  }
  /** `y = condition != 0 ? a : b`, three operands broadcast. */
  fwhere: {
    readonly condition: Uint8Array
    readonly a: Float32Array
    readonly b: Float32Array
    readonly y: Float32Array
    readonly broadcast: Broadcast & { readonly conditionStrides: readonly number[] }
  }
  /** `y = min(max(x, lo), hi)`; NaN stays NaN; `max(-0, +0) = +0`. */
  fclamp: { readonly x: Float32Array; readonly y: Float32Array; readonly lo: number; readonly hi: number }
  /**
   * Elementwise functions, one definition each (numerics.md 7). `alpha`: leaky ReLU's negative slope, and that of elu,
   * selu and hardsigmoid; `beta`: selu's factor (gamma) and hardsigmoid's offset. Others do not read them (0).
   */
  funary: {
    readonly x: Float32Array
    readonly y: Float32Array
    readonly op:
      | 'sigmoid'
      | 'tanh'
      | 'hardswish'
      | 'leakyRelu'
      | 'exp'
      | 'neg'
      | 'abs'
      | 'sqrt'
      | 'reciprocal'
      | 'floor'
      | 'ceil'
      | 'round'
      | 'sign'
      | 'softsign'
      | 'hardsigmoid'
      | 'log'
      | 'erf'
      | 'gelu'
      | 'geluTanh'
      | 'softplus'
      | 'elu'
      | 'silu'
      | 'mish'
      | 'selu'
    readonly alpha: number
    readonly beta: number
  }
  /** Per-channel affine map: `y = f(f(x * scale_c) + shift_c)`: batch normalisation with frozen statistics. */
  faffine: {
    readonly x: Float32Array
    readonly y: Float32Array
    readonly split: ChannelSplit
    readonly scales: Float32Array
    readonly shifts: Float32Array
  }
  /** Maximum in each window; NaN propagates; an empty window gives -Infinity. */
  fmaxPool: { readonly x: Float32Array; readonly y: Float32Array; readonly windows: PoolWindows }
  /** `f(sum / divisors[p])`, the sum in 16 lanes over the window's elements in order (numerics.md 7). */
  favgPool: {
    readonly x: Float32Array
    readonly y: Float32Array
    readonly windows: PoolWindows
    /** One per output position (depth, height, width). */
    readonly divisors: Float32Array
  }
  /** Softmax over rows: x, y `[rows, length]`; row maximum, exp of the difference, 16-lane sum, division. */
  softmax: { readonly x: Float32Array; readonly y: Float32Array; readonly rows: number; readonly length: number }
  /**
   * Softmax of codes over rows (numerics.md 6): x, y `[rows, length]`, `d = max - q` of a row, `S = Σ table[d]`,
   * `y = clamp(zeroPoint + rne(table[d] / (S * scale)), lo, hi)`, the quotient exact.
   */
  qsoftmax: {
    readonly x: Codes
    readonly y: Codes
    readonly rows: number
    readonly length: number
    /** 256 entries: `rne(2^23 * exp(-d * sx))`, so the first is 2^23. */
    readonly table: Int32Array
    /** Scale of y, a normal float32. */
    readonly scale: number
    readonly zeroPoint: number
    readonly lo: number
    readonly hi: number
  }
  /**
   * Reduction over rows: x `[rows, length]`, y `[rows]`, length at least 1. Sums (of x, `f(x*x)`, `|x|`) and products in
   * 16 lanes; mean is `f(sum / length)`; max and min propagate NaN.
   */
  freduce: {
    readonly x: Float32Array
    readonly y: Float32Array
    readonly rows: number
    readonly length: number
    readonly op: 'sum' | 'mean' | 'max' | 'min' | 'sumSquares' | 'sumAbs' | 'prod'
  }
  /**
   * Normalisation of rows (numerics.md 7): x, y `[rows, length]`, scale and bias `[length]`; a bias of null adds nothing.
   */
  layerNorm: {
    readonly x: Float32Array
    readonly y: Float32Array
    readonly rows: number
    readonly length: number
    readonly scale: Float32Array
    readonly bias: Float32Array | null
    readonly epsilon: number
  }
  /** y[0] = smallest, y[1] = largest of the finite values of x; `+Infinity`, `-Infinity` where there is none. */
  minMax: { readonly x: Float32Array; readonly y: Float32Array }
  /**
   * Copies elements: for every index of `shape`, `y[yOffset + Σ i_d*yStrides_d] = x[xOffset + Σ i_d*xStrides_d]`.
   * Strides may be 0 (x only) or negative. x and y are arrays of one element type. Rank 0 to 8. Elements of y that no
   * index names keep what they held (a caller that pads fills y first).
   */
  stridedCopy: {
    readonly x: Elements
    readonly y: Elements
    readonly shape: readonly number[]
    readonly xOffset: number
    readonly xStrides: readonly number[]
    readonly yOffset: number
    readonly yStrides: readonly number[]
  }
  /**
   * Picks along an axis: x `[outer, axis, inner]`, y `[outer, indices.length, inner]`, `y[o, i] = x[o, indices[i]]`. A
   * negative index counts from the end; one outside the axis is a RangeError, and y is then not to be read. x and y are
   * arrays of one element type.
   */
  gather: {
    readonly x: Elements
    readonly y: Elements
    readonly outer: number
    readonly axis: number
    readonly inner: number
    readonly indices: Int32Array
  }
  /**
   * Weighted sums along an axis: x `[outer, inLength, inner]`, y `[outer, outLength, inner]`. Output j adds, t ascending
   * from the first product on, `f(x[o, indices[j, t]] * weights[j, t])`, each addition rounded. An index outside the
   * axis is a RangeError.
   */
  resample: {
    readonly x: Float32Array
    readonly y: Float32Array
    readonly outer: number
    readonly inLength: number
    readonly outLength: number
    readonly inner: number
    /** Terms of each output, at least 1. */
    readonly taps: number
    /** `[outLength, taps]` */
    readonly indices: Int32Array
    readonly weights: Float32Array
  }
  /**
   * Fold (col2im): x `[batch, channels, kh*kw, oh*ow]`, y `[batch, channels, h, w]`, both row-major. Each output element
   * starts at 0 and adds, one float32 addition each, its contributions in ascending kernel position.
   */
  fold: {
    readonly x: Float32Array
    readonly y: Float32Array
    readonly batch: number
    readonly channels: number
    /** Blocks per axis, output size, kernel, stride, dilation, padding: `[height, width]` each. */
    readonly blocks: readonly [number, number]
    readonly output: readonly [number, number]
    readonly kernel: readonly [number, number]
    readonly stride: readonly [number, number]
    readonly dilation: readonly [number, number]
    readonly padding: readonly [number, number]
  }
}

/** Arrays that `stridedCopy` and `gather` move: elements of 1, 2, 4 and 8 bytes. */
export type Elements =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array

/** A kernel's name. */
export type KernelName = keyof Kernels

/** One kernel to run, with its operands. */
export type Step = { readonly [K in KernelName]: { readonly kernel: K; readonly operands: Kernels[K] } }[KernelName]

/** Steps to be run one after the other, many times. */
export interface Program {
  /**
   * Stands for the memory of all values that are computed: arrays that are views over it lie there. All other arrays
   * are constants, which must not change from then on.
   */
  readonly memory: ArrayBuffer
  readonly steps: readonly Step[]
}

/** A compiled program with its memory. One run at a time: calls while a run is under way are errors. */
export interface Executable {
  /**
   * Runs a step that is none of the program's, now. `y` lies in the program's memory; inputs that do not are read where
   * they are.
   */
  apply(step: Step): void
  /** Copies into the program's memory, from a byte offset on. */
  write(offset: number, from: ArrayBufferView): void
  /** Copies out of it. */
  read(offset: number, to: ArrayBufferView): void
  /** Runs steps `first` to `last - 1` now. `times`, one entry per step of the program, receives nanoseconds. */
  run(first: number, last: number, times?: Float64Array): void
  /** The same off the event loop. */
  runAsync(first: number, last: number, times?: Float64Array): Promise<void>
  /** Gives the memory back; later use is an error, and so is a call while a run is under way. */
  dispose(): void
}

/** One implementation of every kernel. `src/backend/js` is the oracle, `src/backend/native.ts` the addon. */
export interface Backend {
  readonly name: 'native' | 'js'
  /** Instruction set that the kernels use: `avx512vnni`, …, `portable`; `js` for the JavaScript backend. */
  readonly isa: string
  packQuantized(weights: QuantizedWeights): PackedQuantized
  bindQuantized(packed: PackedQuantized, epilogue: QuantizedEpilogue): BoundQuantized
  packFloat(weights: FloatWeights): PackedFloat
  /** Runs a kernel now, on the calling thread and the pool. */
  run<K extends KernelName>(kernel: K, operands: Kernels[K]): void
  /**
   * Runs a kernel off the event loop. Operands are copied before this returns, `y` is written when the promise
   * resolves, on the event loop; until then it holds what it held.
   */
  runAsync<K extends KernelName>(kernel: K, operands: Kernels[K]): Promise<void>
  /** Prepares steps to be run many times. */
  compile(program: Program): Executable
}
