/** Protects memory and concurrency at the level of the ops: guards, calls in flight, threads, instruction sets, disposal. */
import type { Backend, Kernels } from '../../src/backend/contract'
import { currentBackend, isNative, useBackend } from '../../src/backend/current'
import { createJsBackend } from '../../src/backend/js'
import { loadNative } from '../../src/backend/native'
import * as nn from '../../src/nn'
import * as F from '../../src/ops/float'
import * as quantized from '../../src/ops/quantized'
import type { DType } from '../../src/tensor/dtype'
import type { QTensor } from '../../src/tensor/qtensor'
import { quantizePerTensor } from '../../src/tensor/quantize'
import { tensor, type Tensor } from '../../src/tensor/tensor'
import { randomQ, randomReals } from '../ops/naive'

type Result = Tensor<DType> | QTensor
type Y = Kernels[keyof Kernels]['y']

const x = randomQ('quint8', [2, 5, 9, 7], 1, { scale: 0.05, zeroPoint: 120 })
const small = randomQ('quint8', [5, 1, 1], 9, { scale: 0.02, zeroPoint: 10 })
const w = randomQ('qint8', [6, 5, 3, 3], 2, { scale: 0.02, zeroPoint: 3 })
const depthwise = randomQ('qint8', [5, 1, 3, 3], 3, { scale: 0.02, zeroPoint: 0 })
const matrix = randomQ('qint8', [11, 7], 4, { scale: 0.02, zeroPoint: 0 })
const real = tensor(randomReals(630, 5), [2, 5, 9, 7])
const realWeight = tensor(randomReals(270, 6), [6, 5, 3, 3])

/** An op of each kind of kernel; each call packs anew, so that it runs on the backend of the moment. */
const calls: Readonly<Record<string, () => Result>> = {
  conv2d: () => quantized.conv2d(x, quantized.conv2dPrepack(w, null, { padding: 1 }), 0.3, 90),
  'conv2d by depth': () => quantized.conv2d(x, quantized.conv2dPrepack(depthwise, null, { groups: 5 }), 0.3, 90),
  'conv2d to int32': () => quantized.conv2dInt32(x, quantized.conv2dPrepack(w)),
  linear: () => quantized.linear(x, quantized.linearPrepack(matrix), 0.3, 90),
  'linear of floats': () => quantized.linearDynamic(real, quantized.linearPrepack(matrix)),
  add: () => quantized.add(x, small, 0.1, 100),
  mul: () => quantized.mul(x, x, 0.2, 3),
  cat: () => quantized.cat([x, quantized.relu(x)], 1, { scale: 0.06, zeroPoint: 99 }),
  'max pool': () => quantized.maxPool2d(x, 3, { stride: 2, padding: 1 }),
  'average pool': () => quantized.avgPool2d(x, 3, { stride: 2, padding: 1 }),
  mean: () => quantized.mean(x, [2, 3]),
  sigmoid: () => quantized.sigmoid(x),
  pad: () => quantized.pad(x, [1, 2, 0, 1]),
  permute: () => x.permute([2, 0, 3, 1]),
  quantize: () => quantizePerTensor(real, 0.01, 100, 'quint8'),
  dequantize: () => x.dequantize(),
  'float conv2d': () => F.conv2d(real, realWeight, null, { padding: 1 }),
  'float add': () => F.add(real, real),
  'float softmax': () => F.softmax(real, 1),
  'float average pool': () => F.avgPool2d(real, 3),
  unfold: () => F.unfold(real, 3),
}

const bytesOf = ({ storage }: Result): Uint8Array =>
  new Uint8Array(storage.buffer, storage.byteOffset, storage.byteLength)

/** Copies y's bytes into the middle of a larger buffer full of `fill`. */
function guarded<T extends Y>(y: T, fill: number, copy: boolean): { inner: T; outer: Uint8Array; start: number } {
  const start = 64
  const outer = new Uint8Array(y.byteLength + 2 * start).fill(fill)
  if (copy) outer.set(new Uint8Array(y.buffer, y.byteOffset, y.byteLength), start)
  const Class = y.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => T
  return { inner: new Class(outer.buffer, start, y.length), outer, start }
}

/** A backend whose results lie between guards, in memory full of `fill`. */
function guardedBackend(backend: Backend, fill: number): Backend {
  return {
    ...backend,
    get isa() {
      return backend.isa
    },
    packQuantized: (weights) => backend.packQuantized(weights),
    bindQuantized: (packed, epilogue) => backend.bindQuantized(packed, epilogue),
    packFloat: (weights) => backend.packFloat(weights),
    runAsync: (kernel, operands) => backend.runAsync(kernel, operands),
    run(kernel, operands) {
      // A copy with strides writes a part of y: pads and concatenations fill the rest themselves.
      const { inner, outer, start } = guarded(operands.y, fill, kernel === 'stridedCopy')
      backend.run(kernel, { ...operands, y: inner })
      const end = start + operands.y.byteLength
      if (outer.some((byte, i) => (i < start || i >= end) && byte !== fill)) throw new Error(`${kernel} wrote beyond y`)
      new Uint8Array(operands.y.buffer, operands.y.byteOffset, operands.y.byteLength).set(outer.subarray(start, end))
    },
  }
}

const native = loadNative()
const defaults = { isa: native.isa, threads: native.numThreads }

afterEach(() => {
  useBackend(undefined)
  native.setIsa(defaults.isa)
  native.setNumThreads(defaults.threads)
})

test.each(Object.entries(calls))('edge 64: %s writes every byte of its result and none beside it', (_, call) => {
  const expected = bytesOf(call())
  for (const backend of [native, createJsBackend()])
    for (const fill of [0xa5, 0x5a]) {
      useBackend(guardedBackend(backend, fill))
      expect(bytesOf(call())).toEqual(expected)
    }
})

test.each(Object.entries(calls))(
  'edge 69: %s gives the same bytes on 1, 2 and 5 threads, every instruction set, and in JavaScript',
  (_, call) => {
    useBackend(createJsBackend())
    const expected = bytesOf(call())
    useBackend(undefined)
    expect(isNative(currentBackend())).toBe(true)
    for (const isa of native.supportedIsas)
      for (const threads of [1, 2, 5]) {
        native.setIsa(isa)
        native.setNumThreads(threads)
        expect(bytesOf(call())).toEqual(expected)
      }
  },
)

test('edge 68: 64 runs of one model at once give the bytes of one after the other', async () => {
  const conv = new nn.quantized.ConvReLU2d(5, 6, 3, { padding: 1 })
  conv.setWeightBias(w, tensor(randomReals(6, 7)))
  conv.scale = 0.3
  conv.zeroPoint = 0
  const model = new nn.Sequential(conv, new nn.MaxPool2d(2), new nn.Flatten())
  const inputs = Array.from({ length: 64 }, (_, i) => randomQ('quint8', [1 + (i % 3), 5, 6 + (i % 5), 7], i))
  const serial = inputs.map((input) => bytesOf(model.forward(input)))
  const parallel = await Promise.all(inputs.map((input) => model.forwardAsync(input)))
  expect(parallel.map(bytesOf)).toEqual(serial)
  expect(new Set(serial.map(String)).size).toBe(64)
})

test('edge 70: a run ends well though its weights are disposed while it waits; a second disposal does nothing', async () => {
  const size = 64
  const weights = { groups: 1, outChannels: size, kernel: [1, 1, 1], inPerGroup: size } as const
  const values = randomReals(size * size, 8)
  const op = native.packFloat({ ...weights, values, bias: null })
  const bounds = { rows: 100, lo: -Infinity, hi: Infinity }
  const input = randomReals(100 * size, 9)
  const expected = new Float32Array(100 * size)
  native.run('flinear', { op, x: input, y: expected, ...bounds })
  const results = Array.from({ length: 16 }, () => new Float32Array(100 * size))
  const queued = results.map((y) => native.runAsync('flinear', { op, x: input, y, ...bounds }))
  native.dispose(op)
  native.dispose(op)
  await Promise.all(queued)
  for (const y of results) expect(y).toEqual(expected)
  expect(() => {
    native.run('flinear', { op, x: input, y: expected, ...bounds })
  }).toThrow('disposed')
})
