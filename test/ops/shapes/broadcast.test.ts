/** Protects broadcasting: shapes, memory formats and strides. */
import fc from 'fast-check'
import { ShapeError } from '../../../src/errors'
import { broadcastShape, planBroadcast } from '../../../src/ops/shapes/broadcast'
import { sizeOf, stridesOf, storageOrder, type MemoryFormat } from '../../../src/tensor/shape'

test.each<[number[], number[], number[]]>([
  [
    [2, 3],
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3], [2, 3]],
  [
    [2, 1],
    [1, 3],
    [2, 3],
  ],
  [[], [2], [2]],
  [
    [2, 3, 4, 5],
    [1, 3, 1, 1],
    [2, 3, 4, 5],
  ],
  [
    [0, 3],
    [1, 3],
    [0, 3],
  ],
])('%j and %j broadcast to %j', (a, b, expected) => {
  expect(broadcastShape('test', a, b)).toEqual(expected)
  expect(broadcastShape('test', b, a)).toEqual(expected)
})

test('sizes that differ and are not 1 are refused, with both shapes', () => {
  expect(() => broadcastShape('test', [2, 3], [2, 4])).toThrow(
    /b must be of a shape that broadcasts with a's \[2, 3\].*got \[2, 4\]/,
  )
})

test('edge 15: a result of 2^31 elements is refused before it is allocated', () => {
  expect(() => broadcastShape('test', [65536, 1], [1, 65536])).toThrow(ShapeError)
})

test('the result has the memory format of the operand that has its shape, a before b', () => {
  const full = { shape: [1, 2, 3, 4], memoryFormat: 'channelsLast' } as const
  const plain = { ...full, memoryFormat: 'contiguous' } as const
  const channel = { shape: [2, 1, 1], memoryFormat: 'contiguous' } as const
  expect(planBroadcast('test', full, plain).memoryFormat).toBe('channelsLast')
  expect(planBroadcast('test', plain, full).memoryFormat).toBe('contiguous')
  expect(planBroadcast('test', channel, full).memoryFormat).toBe('channelsLast')
})

test('equal operands become one axis', () => {
  const x = { shape: [2, 3, 4], memoryFormat: 'contiguous' } as const
  expect(planBroadcast('test', x, x).broadcast).toEqual({ shape: [24], aStrides: [1], bStrides: [1] })
})

test('merged axes address the elements that the shapes say', () => {
  const axis = fc.record({ size: fc.integer({ min: 1, max: 3 }), a: fc.boolean(), b: fc.boolean() })
  const format = fc.constantFrom<MemoryFormat>('contiguous', 'channelsLast')
  fc.assert(
    fc.property(fc.array(axis, { minLength: 3, maxLength: 5 }), format, format, (axes, aFormat, bFormat) => {
      const a = { shape: axes.map((x) => (x.a ? 1 : x.size)), memoryFormat: aFormat }
      const b = { shape: axes.map((x) => (x.b ? 1 : x.size)), memoryFormat: bFormat }
      const { shape, memoryFormat, broadcast } = planBroadcast('test', a, b)
      const offsets = (sizes: readonly number[], strides: readonly number[]): number[] =>
        sizes.reduce<number[]>(
          (list, size, i) =>
            list.flatMap((base) => Array.from({ length: size }, (_, j) => base + j * (strides[i] ?? 0))),
          [0],
        )
      const order = storageOrder(shape.length, memoryFormat)
      const expected = ({ shape: own, memoryFormat: f }: typeof a): number[] => {
        const strides = stridesOf(own, f)
        return offsets(
          order.map((i) => shape[i] ?? 1),
          order.map((i) => (own[i] === 1 ? 0 : (strides[i] ?? 0))),
        )
      }
      expect(sizeOf(broadcast.shape)).toBe(sizeOf(shape))
      expect(offsets(broadcast.shape, broadcast.aStrides)).toEqual(expected(a))
      expect(offsets(broadcast.shape, broadcast.bStrides)).toEqual(expected(b))
    }),
  )
})
