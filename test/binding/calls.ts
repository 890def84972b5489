/** One valid call of every function of the addon: what the hostile tests spoil, argument by argument. */
import { loadAddon } from '../../src/backend/native'

export const addon = loadAddon()

/** A valid call. */
export interface ValidCall {
  /** Name of the function; a kernel also has an async form, `nameAsync`. */
  readonly name: keyof typeof addon
  readonly kernel: boolean
  /** Fresh arguments with each call. */
  readonly args: () => unknown[]
  /** Arguments that this form of the call does not read, or only writes to. */
  readonly unread?: readonly number[]
  /** Arrays that may have any length. */
  readonly anyLength?: readonly number[]
  /** Arrays that may be of any type. */
  readonly anyType?: readonly number[]
  /** Texts that may be any. */
  readonly anyText?: readonly number[]
  /** Arguments that may be null. */
  readonly nullable?: readonly number[]
}

const u8 = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7) % 251)
const f32 = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => (i % 9) - 4)
const i32 = (n: number): Int32Array => new Int32Array(n)
const ones = (n: number): Float32Array => new Float32Array(n).fill(1)
const nums = (...values: number[]): Float64Array => Float64Array.from(values)

const weights = (): Float64Array => nums(1, 4, 1, 3, 3, 3)
const flatWeights = (): Float64Array => nums(1, 4, 1, 1, 1, 3)
const quantized = (sizes = weights(), count = 108): object =>
  addon.packQuantized(Int8Array.from(u8(count)), i32(4), sizes)
const bound = (packed = quantized()): object => addon.bindQuantized(packed, i32(4), 0, 3, 0, ones(4), null, 5, 0, 255)
const packed = (): object => addon.packFloat(f32(108), f32(4), weights())

/** batch 2, 5 x 5 x 3 to 5 x 5 x 4 with a kernel of 3 x 3 and padding of 1. */
const geometry = (): Float64Array => nums(2, 1, 3, 4, 1, 5, 5, 1, 5, 5, 1, 3, 3, 1, 1, 1, 1, 1, 1, 0, 1, 1)
/** The same weights, transposed with stride 1: batch 2, 5 x 5 x 3 to 7 x 7 x 4. */
const transposedWeights = (): Float64Array => nums(1, 4, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1)
const transposed = (): Float64Array => nums(2, 1, 3, 4, 1, 5, 5, 1, 7, 7, 1, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0, 0)
/** batch 1, 2 channels, 1 x 4 x 4 to 1 x 2 x 2, windows of 2 x 2. */
const windows = (): unknown[] => [nums(1, 2, 1, 4, 4, 1, 2, 2, 1, 1, 1), Int32Array.of(0, 0, 2, 0, 2, 1, 2, 2, 2, 2)]

/** A plan of one step in 64 bytes of memory. */
function plan(): ReturnType<typeof addon.planCreate> {
  const memory = new ArrayBuffer(64)
  const made = addon.planCreate(64)
  addon.planStep(made, memory, 'fclamp', f32(4), new Float32Array(memory, 0, 4), -1, 1)
  return made
}

const call = (
  name: ValidCall['name'],
  args: () => unknown[],
  rest: Partial<Omit<ValidCall, 'name' | 'args'>> = {},
): ValidCall => ({ name, kernel: true, args, ...rest })
const plain = (
  name: ValidCall['name'],
  args: () => unknown[],
  rest: Partial<Omit<ValidCall, 'name' | 'args'>> = {},
): ValidCall => ({ name, kernel: false, args, ...rest })

export const validCalls: readonly ValidCall[] = [
  call('quantize', () => [f32(12), u8(12), 2, 3, 2, ones(3), i32(3), 0, 255, false]),
  call('dynamicParams', () => [f32(12), f32(2)], { anyLength: [0] }),
  call('quantizeBy', () => [f32(12), u8(12), Float32Array.of(0.5, 3)]),
  call('dynamicRescale', () => [i32(12), f32(12), Float32Array.of(0.5, 3), i32(3), ones(3), f32(3), 4, 3, -9, 9], {
    nullable: [5],
  }),
  call('dequantize', () => [u8(12), f32(12), 2, 3, 2, ones(3), i32(3)]),
  call('requantize', () => [u8(12), u8(12), 3, 4, 0.5, 0, 127]),
  call('qclamp', () => [u8(12), u8(12), 3, 200]),
  call('lookup', () => [u8(12), u8(12), u8(256)]),
  call('qadd', () => [u8(6), u8(3), u8(6), nums(2, 3, 3, 1, 0, 1), 1, 2, 3, 0.5, 0.25, 0, 127]),
  call('qmul', () => [u8(6), u8(3), u8(6), nums(2, 3, 3, 1, 0, 1), 1, 2, 3, 0.5, 0, 127]),
  call('fbinary', () => [f32(6), f32(3), f32(6), nums(2, 3, 3, 1, 0, 1), 6]),
  call('fwhere', () => [u8(6), f32(3), f32(6), f32(6), nums(2, 3, 3, 1, 0, 1, 3, 1)]),
  call('fclamp', () => [f32(12), f32(12), -1, 1]),
  call('funary', () => [f32(12), f32(12), 23, 0.5, 2]),
  call('faffine', () => [f32(12), f32(12), 2, 3, 2, ones(3), f32(3)]),
  call('qconv', () => [bound(), u8(150), u8(200), geometry()]),
  call('qconvTransposed', () => [bound(quantized(transposedWeights())), u8(150), u8(2 * 7 * 7 * 4), transposed()]),
  call('qlinear', () => [bound(quantized(flatWeights(), 12)), u8(15), u8(20), 5]),
  call('fconv', () => [packed(), f32(150), f32(200), geometry(), -10, 10, f32(200)], { nullable: [6] }),
  call('fconvTransposed', () => [
    addon.packFloat(f32(108), f32(4), transposedWeights()),
    f32(150),
    f32(2 * 7 * 7 * 4),
    transposed(),
    -10,
    10,
  ]),
  call('flinear', () => [addon.packFloat(f32(12), null, flatWeights()), f32(15), f32(20), 5, -10, 10]),
  call('fmatmul', () => [f32(24), f32(12), f32(16), nums(2, 4, 3, 2, 12, 6), true]),
  call('qmatmulInt32', () => [u8(24), u8(18), i32(24), nums(2, 4, 3, 3, 12, 9), 3, i32(3)]),
  call('qmaxPool', () => [u8(32), u8(8), ...windows()]),
  call('qavgPool', () => [u8(32), u8(8), ...windows(), ones(4), 1, 2, 0, 255]),
  call('fmaxPool', () => [f32(32), f32(8), ...windows()]),
  call('favgPool', () => [f32(32), f32(8), ...windows(), ones(4)]),
  call('softmax', () => [f32(12), f32(12), 3, 4]),
  call('qsoftmax', () => [u8(12), u8(12), 3, 4, i32(256).fill(2 ** 23), 1 / 256, 0, 0, 255]),
  call('freduce', () => [f32(12), f32(3), 3, 4, 6]),
  call('layerNorm', () => [f32(12), f32(12), 3, 4, f32(4), f32(4), 1e-5], { nullable: [5] }),
  call('minMax', () => [f32(12), f32(2)], { anyLength: [0] }),
  call('stridedCopy', () => [u8(12), u8(12), nums(3, 4, 4, 1, 1, 3), 0, 0], { anyLength: [2] }),
  call('gather', () => [u8(12), u8(8), 2, 3, 2, i32(2)], { anyLength: [5] }),
  call('resample', () => [f32(12), f32(8), 2, 3, 2, 2, 2, i32(4), f32(4)]),
  call('fold', () => [f32(36), f32(16), nums(1, 1, 3, 3, 4, 4, 2, 2, 1, 1, 1, 1, 0, 0)]),
  plain('packQuantized', () => [u8(108), i32(4), weights()]),
  plain('packFloat', () => [f32(108), f32(4), weights()], { nullable: [1] }),
  plain('bindQuantized', () => [quantized(), i32(4), 0, 3, 0, ones(4), null, 5, 0, 255], { unread: [6] }),
  plain('bindQuantized', () => [quantized(), i32(4), 1, 3, 3, ones(4), f32(4), 0, -10, 10], {
    unread: [7],
    nullable: [6],
  }),
  plain('bindQuantized', () => [quantized(), i32(4), 0, 3, 2, null, null, 0, 0, 0], { unread: [5, 6, 7, 8, 9] }),
  plain('imageOf', () => [quantized()]),
  plain('mapFile', () => [__filename, 64], { anyText: [0] }),
  plain('packImage', () => [addon.mapFile(__filename, 64)?.file, 0, 64, weights()]),
  plain('planCreate', () => [64]),
  plain('planStep', () => {
    const memory = new ArrayBuffer(64)
    return [addon.planCreate(64), memory, 'fclamp', f32(4), new Float32Array(memory, 0, 4), -1, 1]
  }),
  plain('planApply', () => {
    const memory = new ArrayBuffer(64)
    return [addon.planCreate(64), memory, 'fclamp', f32(4), new Float32Array(memory, 0, 4), -1, 1]
  }),
  call('planRun', () => [plan(), 0, 1, new Float64Array(1)], { unread: [3] }),
  plain('planWrite', () => [plan(), 16, u8(8)], { anyLength: [2], anyType: [2] }),
  plain('planRead', () => [plan(), 16, u8(8)], { anyLength: [2], anyType: [2] }),
  plain('dispose', () => [bound()]),
  plain('setIsa', () => ['portable']),
  plain('setNumThreads', () => [2]),
]

/** Functions that take no arguments, and values. */
export const withoutArguments: readonly string[] = [
  'abi',
  'defaultNumThreads',
  'firstInProcess',
  'isa',
  'numThreads',
  'supportedIsas',
]

/** Calls any function of the addon with any arguments. */
export function callAddon(name: string, args: readonly unknown[]): unknown {
  const functions = addon as unknown as Record<string, (...args: readonly unknown[]) => unknown>
  const f = functions[name]
  if (f === undefined) throw new Error(`the addon has no ${name}`)
  return f(...args)
}
