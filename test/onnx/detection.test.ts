/** What detection networks end in: NonMaxSuppression, RoiAlign, GridSample (against PyTorch), Compress, ReverseSequence. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { ModelError, UnsupportedOperatorError } from '../../src/errors'
import type { ElementArrays, ElementType } from '../../src/onnx/types'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf, type NodeSpec } from '../support/onnx-models'

type Attributes = NonNullable<NodeSpec[3]>
type Feed = readonly [name: string, tensor: Tensor]

const floats = (dims: readonly number[], data: ArrayLike<number>): Tensor =>
  new Tensor('float32', Float32Array.from(data), dims)
const longs = (dims: readonly number[], data: readonly number[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(data, BigInt), dims)
const numbers = (tensor: Tensor | undefined): number[] => Array.from(tensor?.data as ArrayLike<unknown>, Number)

/** One node's output. `feeds` are its first inputs; `constants` those behind them. */
function run<T extends ElementType>(
  op: string,
  type: T,
  feeds: readonly Feed[],
  {
    attributes = {},
    constants = {},
    opset = 16,
  }: {
    readonly attributes?: Attributes
    readonly constants?: Readonly<Record<string, Value>>
    readonly opset?: number
  } = {},
): { readonly dims: readonly number[]; readonly data: ElementArrays[T] } {
  const session = InferenceSession.createSync(
    modelOf({
      opset,
      inputs: Object.fromEntries(feeds.map(([name, tensor]) => [name, [tensor.type, tensor.dims] as const])),
      outputs: { y: type },
      nodes: [[op, [...feeds.map(([name]) => name), ...Object.keys(constants)], ['y'], attributes]],
      constants,
    }),
  )
  const { y } = session.runSync(Object.fromEntries(feeds))
  if (y === undefined) throw new Error('no output')
  return { dims: y.dims, data: y.data as ElementArrays[T] }
}

describe('NonMaxSuppression', () => {
  // Two rows of boxes around (0, 0) and (0, 10), and one far away.
  const six = [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, -0.1, 1, 0.9, 0, 10, 1, 11, 0, 10.1, 1, 11.1, 0, 100, 1, 101]
  const scores = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3]

  interface Options {
    readonly most?: number
    readonly overlap?: number
    readonly above?: number
    readonly centres?: boolean
  }
  const picked = (
    boxes: Tensor,
    given: Tensor,
    { most = 3, overlap = 0.5, above = 0, centres = false }: Options = {},
  ) => {
    const { dims, data } = run(
      'NonMaxSuppression',
      'int64',
      [
        ['boxes', boxes],
        ['scores', given],
      ],
      {
        opset: 11,
        attributes: { center_point_box: centres ? 1 : 0 },
        constants: {
          most: known('int64', [1], BigInt64Array.of(BigInt(most))),
          overlap: known('float32', [1], Float32Array.of(overlap)),
          above: known('float32', [1], Float32Array.of(above)),
        },
      },
    )
    expect(dims).toEqual([data.length / 3, 3])
    return Array.from({ length: data.length / 3 }, (_, i) => Array.from(data.subarray(3 * i, 3 * i + 3), Number))
  }
  const boxes = floats([1, 6, 4], six)

  test('keeps the best of boxes that overlap, best first', () => {
    expect(picked(boxes, floats([1, 1, 6], scores))).toEqual([
      [0, 0, 3],
      [0, 0, 0],
      [0, 0, 5],
    ])
  })

  test('keeps no more boxes of a class than asked for, and none below the score', () => {
    expect(picked(boxes, floats([1, 1, 6], scores), { most: 2 }).map(([, , i]) => i)).toEqual([3, 0])
    expect(picked(boxes, floats([1, 1, 6], scores), { most: 0 })).toEqual([])
    expect(picked(boxes, floats([1, 1, 6], scores), { above: 0.9 }).map(([, , i]) => i)).toEqual([3])
    expect(picked(boxes, floats([1, 1, 6], scores), { above: 2 })).toEqual([])
  })

  test('takes corners in any order, and centres with sizes', () => {
    const turned = six.map((_, i) => six[i % 4 < 2 ? i + 2 : i - 2] ?? 0)
    expect(picked(floats([1, 6, 4], turned), floats([1, 1, 6], scores)).map(([, , i]) => i)).toEqual([3, 0, 5])
    // y, x, y, x to x, y, width, height.
    const centres = six.map((_, i) => {
      const [top = 0, left = 0, bottom = 0, right = 0] = six.slice(i - (i % 4), i - (i % 4) + 4)
      return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top][i % 4] ?? 0
    })
    const found = picked(floats([1, 6, 4], centres), floats([1, 1, 6], scores), { centres: true })
    expect(found.map(([, , i]) => i)).toEqual([3, 0, 5])
  })

  test('looks at each class of each image by itself', () => {
    const two = floats([2, 6, 4], [...six, ...six])
    const given = floats([2, 2, 6], [...scores, ...scores.toReversed(), ...scores, ...scores.map(() => NaN)])
    expect(picked(two, given, { most: 1 })).toEqual([
      [0, 0, 3],
      [0, 1, 2],
      [1, 0, 3],
    ])
  })

  test('takes the first of boxes that are the same', () => {
    const same = floats([1, 3, 4], Array.from({ length: 3 }, () => [0, 0, 1, 1]).flat())
    expect(picked(same, floats([1, 1, 3], [0.9, 0.9, 0.9]))).toEqual([[0, 0, 0]])
  })

  test('what is kept overlaps nothing that is better and kept, and all else does', () => {
    const box = fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 8 })))
    const list = fc.array(fc.record({ box, score: fc.integer({ min: 0, max: 100 }) }), { minLength: 1, maxLength: 30 })
    const share = ([a, b, c, d]: readonly number[], [e, f, g, h]: readonly number[]): number => {
      const side = (p = 0, q = 0, r = 0, s = 0): [number, number, number] => [
        Math.min(Math.max(p, q), Math.max(r, s)) - Math.max(Math.min(p, q), Math.min(r, s)),
        Math.abs(p - q),
        Math.abs(r - s),
      ]
      const [height, firstHeight, secondHeight] = side(a, c, e, g)
      const [width, firstWidth, secondWidth] = side(b, d, f, h)
      const common = Math.max(height, 0) * Math.max(width, 0)
      return common === 0 ? 0 : common / (firstHeight * firstWidth + secondHeight * secondWidth - common)
    }
    fc.assert(
      fc.property(list, fc.constantFrom(0, 0.3, 0.5, 1), (all, overlap) => {
        const given = floats(
          [1, all.length, 4],
          all.flatMap(({ box: corners }) => corners),
        )
        const rows = picked(
          given,
          floats(
            [1, 1, all.length],
            all.map(({ score }) => score),
          ),
          {
            most: 100,
            overlap,
            above: -1,
          },
        )
        const kept = rows.map(([, , i = 0]) => i)
        const order = all.map((_, i) => i).sort((i, j) => (all[j]?.score ?? 0) - (all[i]?.score ?? 0) || i - j)
        expect(kept).toEqual(order.filter((i) => kept.includes(i)))
        for (const i of order) {
          const better = order.slice(0, order.indexOf(i)).filter((j) => kept.includes(j))
          const most = Math.max(0, ...better.map((j) => share(all[i]?.box ?? [], all[j]?.box ?? [])))
          // Shares of whole numbers are far enough from the thresholds, or are them.
          expect(kept.includes(i)).toBe(most <= Math.fround(overlap))
        }
      }),
    )
  })

  test('refuses boxes and scores that do not belong together', () => {
    expect(() => picked(boxes, floats([1, 1, 5], scores.slice(1)))).toThrow(ModelError)
    expect(() => picked(boxes, floats([1, 1, 6], scores), { overlap: 1.5 })).toThrow('iou_threshold is 1.5')
  })
})

describe('RoiAlign', () => {
  const height = 9
  const width = 12
  const plane = (f: (y: number, x: number) => number): number[] =>
    Array.from({ length: height * width }, (_, i) => f(Math.floor(i / width), i % width))
  const aligned = (map: readonly number[], rois: readonly number[], attributes: Attributes, opset = 16) =>
    run(
      'RoiAlign',
      'float32',
      [
        ['x', floats([1, map.length / (height * width), height, width], map)],
        ['rois', floats([rois.length / 4, 4], rois)],
        [
          'images',
          longs(
            [rois.length / 4],
            rois.filter((_, i) => i % 4 === 0).map(() => 0),
          ),
        ],
      ],
      { attributes, opset },
    )

  test('the mean of a linear map over a bin is its value in the middle of it', () => {
    const map = [...plane((y, x) => 2 * y - x), ...plane((y, x) => x + 0.5)]
    // Left, top, right, bottom; in bins of 1.5 rows and 2 columns.
    for (const ratio of [0, 1, 2, 3]) {
      const { dims, data } = aligned(map, [2, 1.5, 8, 6], { output_height: 3, output_width: 3, sampling_ratio: ratio })
      expect(dims).toEqual([1, 2, 3, 3])
      for (let i = 0; i < 9; i++) {
        const y = 1.5 - 0.5 + 1.5 * (Math.floor(i / 3) + 0.5)
        const x = 2 - 0.5 + 2 * ((i % 3) + 0.5)
        expect(data[i]).toBeCloseTo(2 * y - x, 5)
        expect(data[9 + i]).toBeCloseTo(x + 0.5, 5)
      }
    }
  })

  test('operator sets before 16 do not shift regions by half an element, and make them one element at least', () => {
    const map = plane((y, x) => 10 * y + x)
    const attributes = { output_height: 1, output_width: 1, sampling_ratio: 2 }
    const at = (data: Float32Array): number => data[0] ?? NaN
    expect(at(aligned(map, [2, 3, 4, 5], attributes, 10).data)).toBeCloseTo(43, 5)
    expect(at(aligned(map, [2, 3, 4, 5], attributes).data)).toBeCloseTo(37.5, 5)
    expect(at(aligned(map, [2, 3, 2, 3], attributes, 10).data)).toBeCloseTo(37.5, 5)
    const shifted = { ...attributes, coordinate_transformation_mode: 'output_half_pixel' }
    expect(at(aligned(map, [2, 3, 4, 5], shifted).data)).toBeCloseTo(43, 5)
  })

  test('max takes the largest weighted element', () => {
    const map = plane((y, x) => (y === 4 && x === 5 ? 8 : -1))
    const { data } = aligned(map, [5, 4, 7, 6], { output_height: 1, output_width: 1, sampling_ratio: 1, mode: 'max' })
    // The sample lies at (4.5, 5.5): a quarter of each of four elements.
    expect(data[0]).toBe(2)
  })

  test('samples outside the map count as 0', () => {
    const ones = plane(() => 1)
    const attributes = { output_height: 1, output_width: 1, sampling_ratio: 2 }
    expect(aligned(ones, [-20, 0, -10, 5], attributes).data[0]).toBe(0)
    // Of two columns of samples, at -4.5 and 4.5, one lies in the map.
    expect(aligned(ones, [-8.5, 2, 9.5, 4], attributes).data[0]).toBe(0.5)
    const negative = plane(() => -1)
    expect(aligned(negative, [-8.5, 2, 9.5, 4], { ...attributes, mode: 'max' }).data[0]).toBe(0)
  })

  test('of a region without end only what lies near the map is looked at', () => {
    const ones = plane(() => 1)
    const sizes = [1e4, 1e9, 1e30, 3e38, Infinity, NaN, -1e30]
    const rois = sizes.flatMap((size) => [-size, 0, size, size])
    expect(aligned(ones, rois, { output_height: 2, output_width: 2 }).dims).toEqual([sizes.length, 1, 2, 2])
    // Samples lie at whole numbers, 5000 x 5000 in each bin; 10 x 13 of them in the map and on its edge.
    expect(aligned(ones, [0, 0, 1e4, 1e4], { output_height: 2, output_width: 2 }).data[0]).toBeCloseTo(130 / 25e6, 10)
  })

  test('refuses a region of an image that is not there', () => {
    const feeds: Feed[] = [
      ['x', floats([1, 1, 2, 2], [1, 2, 3, 4])],
      ['rois', floats([1, 4], [0, 0, 1, 1])],
      ['images', longs([1], [1])],
    ]
    expect(() => run('RoiAlign', 'float32', feeds)).toThrow('there is no image 1 for a region')
  })
})

describe('GridSample', () => {
  interface Case {
    readonly mode: string
    readonly padding: string
    readonly aligned: boolean
    readonly sizes: readonly number[]
    readonly places: readonly number[]
    readonly x: readonly number[]
    readonly grid: readonly number[]
    readonly y: readonly number[]
  }
  const path = join(__dirname, '../fixtures/onnx/grid-sample.json')
  const cases = JSON.parse(readFileSync(path, 'utf8')) as readonly Case[]
  const newNames: Readonly<Record<string, string>> = { bilinear: 'linear', nearest: 'nearest', bicubic: 'cubic' }

  test.each(
    cases.map(
      (c) =>
        [`${c.mode}, ${c.padding}, ${String(c.sizes.length)} axes${c.aligned ? ', corners aligned' : ''}`, c] as const,
    ),
  )('is what PyTorch gives: %s', (_, { mode, padding, aligned, sizes, places, x, grid, y }) => {
    const feeds: Feed[] = [
      ['x', floats([2, 2, ...sizes], x)],
      ['grid', floats([2, ...places, sizes.length], grid)],
    ]
    const names =
      sizes.length === 2
        ? ([
            [16, mode],
            [20, newNames[mode] ?? ''],
          ] as const)
        : ([[20, newNames[mode] ?? '']] as const)
    for (const [opset, name] of names) {
      const attributes = { mode: name, padding_mode: padding, align_corners: aligned ? 1 : 0 }
      const { dims, data } = run('GridSample', 'float32', feeds, { attributes, opset })
      expect(dims).toEqual([2, 2, ...places])
      y.forEach((value, i) => {
        expect(data[i]).toBeCloseTo(value, 4)
      })
    }
  })

  test('a place that is no number, or has no end, gives an element or 0, never anything from outside', () => {
    const feeds: Feed[] = [
      ['x', floats([1, 1, 2, 2], [1, 1, 1, 1])],
      ['grid', floats([1, 1, 4, 2], [NaN, NaN, Infinity, 0, -Infinity, Infinity, 3e38, -3e38])],
    ]
    for (const mode of ['linear', 'nearest', 'cubic'])
      for (const padding of ['zeros', 'border', 'reflection'])
        for (const aligned of [0, 1]) {
          const attributes = { mode, padding_mode: padding, align_corners: aligned }
          const { data } = run('GridSample', 'float32', feeds, { attributes, opset: 20 })
          for (const value of data) expect(value).toBeCloseTo(padding === 'zeros' ? 0 : 1, 5)
        }
  })

  test('a map sampled where its own elements lie is the map, of any size', () => {
    const [height, width] = [37, 41]
    const map = Array.from({ length: 2 * height * width }, (_, i) => Math.sin(i))
    const grid = Array.from({ length: height * width }, (_, i) => [
      (2 * (i % width)) / (width - 1) - 1,
      (2 * Math.floor(i / width)) / (height - 1) - 1,
    ])
    const feeds: Feed[] = [
      ['x', floats([1, 2, height, width], map)],
      ['grid', floats([1, height, width, 2], grid.flat())],
    ]
    for (const mode of ['linear', 'nearest', 'cubic']) {
      const attributes = { mode, align_corners: 1 }
      const { data } = run('GridSample', 'float32', feeds, { attributes, opset: 20 })
      map.forEach((value, i) => {
        expect(data[i]).toBeCloseTo(value, 4)
      })
    }
  })

  test('refuses modes that there are not, and a grid of another rank', () => {
    const x = floats([1, 1, 2, 2], [1, 2, 3, 4])
    const grid = floats([1, 1, 1, 2], [0, 0])
    expect(() =>
      run(
        'GridSample',
        'float32',
        [
          ['x', x],
          ['grid', grid],
        ],
        { attributes: { mode: 'area' } },
      ),
    ).toThrow(UnsupportedOperatorError)
    const deep = floats([1, 1, 1, 1, 3], [0, 0, 0])
    expect(() =>
      run('GridSample', 'float32', [
        ['x', x],
        ['grid', deep],
      ]),
    ).toThrow(ModelError)
  })
})

describe('Compress', () => {
  const x = floats([3, 2], [1, 2, 3, 4, 5, 6])
  const kept = (condition: readonly number[], attributes: Attributes = {}) =>
    run(
      'Compress',
      'float32',
      [
        ['x', x],
        ['c', new Tensor('bool', Uint8Array.from(condition), [condition.length])],
      ],
      {
        attributes,
        opset: 11,
      },
    )

  test('keeps the slices whose condition is true; a condition that is too short is false from there on', () => {
    const rows = kept([0, 1, 1], { axis: 0 })
    expect([rows.dims, [...rows.data]]).toEqual([
      [2, 2],
      [3, 4, 5, 6],
    ])
    expect([...kept([0, 1], { axis: 1 }).data]).toEqual([2, 4, 6])
    expect([...kept([0, 1], { axis: -2 }).data]).toEqual([3, 4])
    expect(kept([0, 0, 0], { axis: 0 }).dims).toEqual([0, 2])
  })

  test('without an axis it keeps elements', () => {
    const elements = kept([0, 1, 0, 0, 1])
    expect([elements.dims, [...elements.data]]).toEqual([[2], [2, 5]])
  })

  test('refuses a condition that is longer than the axis', () => {
    expect(() => kept([1, 1, 1], { axis: 1 })).toThrow('a condition of 3 for an axis of 2')
  })
})

describe('ReverseSequence', () => {
  const x = floats([4, 2], [0, 10, 1, 11, 2, 12, 3, 13])
  const reversed = (lengths: readonly number[], attributes: Attributes) =>
    numbers(
      new Tensor(
        'float32',
        run(
          'ReverseSequence',
          'float32',
          [
            ['x', x],
            ['lengths', longs([lengths.length], lengths)],
          ],
          {
            attributes,
            opset: 10,
          },
        ).data,
        [4, 2],
      ),
    )

  test('turns the first steps of each sequence round, along either axis', () => {
    expect(reversed([3, 1], { time_axis: 0, batch_axis: 1 })).toEqual([2, 10, 1, 11, 0, 12, 3, 13])
    expect(reversed([2, 1, 0, 2], { time_axis: 1, batch_axis: 0 })).toEqual([10, 0, 1, 11, 2, 12, 13, 3])
  })

  test('refuses a length that the sequence does not have', () => {
    expect(() => reversed([5, 1], {})).toThrow('a sequence of 5 steps among 4')
    expect(() => reversed([1, 1, 1], {})).toThrow(ModelError)
  })
})

test('the model that fuzzing damages runs as it is', () => {
  const session = InferenceSession.createSync(readFileSync(join(__dirname, '../fixtures/onnx/detection.onnx')))
  const some = (...dims: number[]): Tensor =>
    floats(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 10) / 10),
    )
  const results = session.runSync({
    map: some(1, 2, 6, 6),
    grid: some(1, 3, 3, 2),
    boxes: some(1, 5, 4),
    scores: some(1, 2, 5),
    rois: some(2, 4),
    images: longs([2], [0, 0]),
    steps: some(4, 2, 3),
    lengths: new Tensor('int32', Int32Array.of(4, 2), [2]),
    keep: new Tensor('bool', Uint8Array.of(1, 0, 1), [3]),
  })
  expect(Object.entries(results).map(([name, { dims }]) => [name, dims.join()])).toEqual([
    ['sampled', '1,2,3,3'],
    ['regions', '2,2,2,2'],
    ['picked', '6,3'],
    ['kept', '1,2,2,3'],
    ['turned', '4,2,3'],
    ['y', '4,2,2,2'],
  ])
})
