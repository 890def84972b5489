import fc from 'fast-check'
import { planArena, type Lifetime } from '../../src/runtime/arena'

const lifetimes = fc.array(
  fc
    .record({ bytes: fc.nat(5000), first: fc.nat(30), length: fc.nat(10) })
    .map(({ bytes, first, length }): Lifetime => ({ bytes, first, last: first + length })),
  { maxLength: 40 },
)

test('buffers that live at the same time never share bytes, and all lie in the block, aligned', () => {
  fc.assert(
    fc.property(lifetimes, (buffers) => {
      const { offsets, bytes } = planArena(buffers)
      const place = (i: number): readonly [number, number] => [
        offsets[i] ?? -1,
        (offsets[i] ?? -1) + (buffers[i]?.bytes ?? 0),
      ]
      for (const [i, a] of buffers.entries()) {
        const [begin, end] = place(i)
        expect(begin % 64).toBe(0)
        expect(end).toBeLessThanOrEqual(bytes)
        for (const [j, b] of buffers.entries()) {
          if (i === j || a.first > b.last || b.first > a.last || a.bytes === 0 || b.bytes === 0) continue
          const [otherBegin, otherEnd] = place(j)
          expect(begin >= otherEnd || otherBegin >= end).toBe(true)
        }
      }
    }),
  )
})

test('buffers whose lives follow each other take the room of the largest', () => {
  const chain = Array.from({ length: 10 }, (_, i) => ({ bytes: 640, first: 2 * i, last: 2 * i + 1 }))
  expect(planArena(chain).bytes).toBe(640)
})
