/** Protects the shape arithmetic of convolutions: what is computed, and what is refused before anything runs. */
import fc from 'fast-check'
import { ArgumentError, Int8Error, ShapeError } from '../../../src/errors'
import { convGeometry, convOutputShape, readConv, type ConvOptions } from '../../../src/ops/shapes/conv'

/** What a call returns, or the class of what it throws. */
function attempt(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return error instanceof Error ? error.constructor : error
  }
}

describe('convOutputShape', () => {
  test.each<[string, number[], number[], ConvOptions, number[]]>([
    ['of a plain 3x3', [1, 3, 32, 32], [16, 3, 3, 3], {}, [1, 16, 30, 30]],
    ['with stride and padding', [1, 3, 32, 32], [16, 3, 3, 3], { stride: 2, padding: 1 }, [1, 16, 16, 16]],
    ['without a batch axis', [3, 32, 32], [16, 3, 3, 3], {}, [16, 30, 30]],
    ['of one axis', [2, 4, 9], [6, 4, 3], { dilation: 2 }, [2, 6, 5]],
    ['of three axes', [1, 2, 4, 5, 6], [3, 2, 1, 2, 3], { stride: [2, 1, 1] }, [1, 3, 2, 4, 4]],
    ['of groups', [1, 6, 4, 4], [8, 3, 1, 1], { groups: 2 }, [1, 8, 4, 4]],
    ["with padding 'same' and an even kernel", [1, 1, 5, 5], [1, 1, 4, 2], { padding: 'same' }, [1, 1, 5, 5]],
    ["with padding 'valid'", [1, 1, 5, 5], [1, 1, 4, 2], { padding: 'valid' }, [1, 1, 2, 4]],
    [
      'with one pair of paddings per axis',
      [1, 1, 5, 5],
      [1, 1, 3, 3],
      {
        padding: [
          [2, 0],
          [0, 1],
        ],
      },
      [1, 1, 5, 4],
    ],
    [
      'edge 1: a kernel larger than the input, made legal by padding',
      [1, 1, 2, 2],
      [1, 1, 5, 5],
      { padding: 2 },
      [1, 1, 2, 2],
    ],
    ['edge 2: a kernel as large as the padded input', [1, 1, 3, 3], [1, 1, 5, 5], { padding: 1 }, [1, 1, 1, 1]],
    ['edge 3: a stride larger than the kernel', [1, 1, 11, 11], [1, 1, 2, 2], { stride: 5 }, [1, 1, 2, 2]],
    ['edge 3: a 1x1 with stride 2', [1, 1, 5, 5], [1, 1, 1, 1], { stride: 2 }, [1, 1, 3, 3]],
    [
      'edge 4: a dilated kernel larger than the input',
      [1, 1, 4, 4],
      [1, 1, 3, 1],
      { dilation: [2, 1], padding: [1, 0] },
      [1, 1, 2, 4],
    ],
    ['edge 12: an empty batch', [0, 3, 8, 8], [4, 3, 3, 3], {}, [0, 4, 6, 6]],
  ])('%s', (_, input, weight, options, expected) => {
    expect(convOutputShape(input, weight, options)).toEqual(expected)
  })

  test("'same' puts the odd element behind", () => {
    expect(readConv('test', [1, 1, 4], 1, { padding: 'same' }).padding).toEqual([[1, 2]])
  })

  test('counts the positions at which the kernel fits', () => {
    const small = (most: number, least = 0): fc.Arbitrary<number> => fc.integer({ min: least, max: most })
    fc.assert(
      fc.property(
        small(12, 1),
        small(5, 1),
        small(4, 1),
        small(3, 1),
        small(4),
        small(4),
        (size, k, s, d, before, after) => {
          let count = 0
          for (let at = -before; at + d * (k - 1) < size + after; at += s) count++
          const options = { stride: s, dilation: d, padding: [[before, after]] } as const
          expect(attempt(() => convOutputShape([1, 1, size], [1, 1, k], options))).toEqual(
            count === 0 ? ShapeError : [1, 1, count],
          )
        },
      ),
    )
  })
})

describe('convOutputShape refuses', () => {
  test.each<[string, number[], number[], ConvOptions, RegExp]>([
    [
      'edge 2: a kernel larger than the padded input',
      [1, 1, 3, 3],
      [1, 1, 6, 3],
      { padding: 1 },
      /larger than the padded input along spatial axis 0.*reaches over 6.*has 5/,
    ],
    [
      'edge 10: channels that groups do not divide',
      [1, 5, 8, 8],
      [4, 2, 3, 3],
      { groups: 2 },
      /x has 5 channels, but weight expects 4 \(2 per group × 2 groups\)/,
    ],
    [
      'edge 10: output channels that groups do not divide',
      [1, 4, 8, 8],
      [5, 2, 3, 3],
      { groups: 2 },
      /a divisor of the 5 output channels/,
    ],
    [
      'edge 10: other channels than the weight has',
      [1, 8, 8, 8],
      [16, 3, 3, 3],
      { groups: 2 },
      /Pass x with 6 channels, or a weight of shape \[16, 4, 3, 3\]/,
    ],
    ['edge 10: no groups', [1, 4, 8, 8], [4, 4, 3, 3], { groups: 0 }, /options.groups must be a whole number from 1/],
    ['edge 10: stride 0', [1, 4, 8, 8], [4, 4, 3, 3], { stride: 0 }, /options.stride must be a whole number from 1/],
    ['edge 10: dilation 0', [1, 4, 8, 8], [4, 4, 3, 3], { dilation: [1, 0] }, /options.dilation\[1\]/],
    [
      'edge 10: negative padding',
      [1, 4, 8, 8],
      [4, 4, 3, 3],
      { padding: -1 },
      /options.padding must be a whole number from 0/,
    ],
    ['a fraction of a stride', [1, 4, 8, 8], [4, 4, 3, 3], { stride: 1.5 }, /but got 1.5/],
    ['an array of the wrong length', [1, 4, 8, 8], [4, 4, 3, 3], { stride: [1, 1, 1] }, /an array of 2/],
    [
      'a pair of the wrong length',
      [1, 4, 8, 8],
      [4, 4, 3, 3],
      { padding: [[1, 1], [1]] as never },
      /options.padding\[1\] must be a pair/,
    ],
    ["'same' with a stride", [1, 4, 8, 8], [4, 4, 3, 3], { padding: 'same', stride: 2 }, /numbers or 'valid'/],
    ['a word that is no padding', [1, 4, 8, 8], [4, 4, 3, 3], { padding: 'full' as never }, /but got "full"/],
    ['a wrong rank, with the way out', [4, 8], [4, 4, 3, 3], {}, /x must be of shape \[N, C, H, W\]/],
    ['a weight without a kernel', [1, 4, 8], [4, 4], {}, /weightShape must be of rank 3 to 5/],
    ['an empty spatial axis', [1, 4, 0, 8], [4, 4, 3, 3], { padding: 2 }, /spatial sizes are at least 1/],
    ['an empty kernel', [1, 4, 8, 8], [4, 4, 0, 3], {}, /of a kernel of at least 1/],
    ['edge 15: an output of 2^31 elements', [1, 1, 40000, 40000], [2, 1, 1, 1], {}, /at most 2147483647 elements/],
    [
      'edge 15: an input of more than 2^53 elements',
      [1, 2 ** 20, 2 ** 20, 2 ** 20],
      [1, 2 ** 20, 1, 1],
      {},
      /at most 2147483647 elements/,
    ],
    ['edge 15: padding beyond 2^31', [1, 1, 8, 8], [1, 1, 1, 1], { padding: 2 ** 30 }, /stays below 2\^31/],
    [
      'edge 15: a border that dwarfs the data',
      [1, 1, 8, 8],
      [1, 1, 1, 1],
      { padding: 2 ** 16, stride: 2 ** 16 },
      /options.padding must be in proportion to the data/,
    ],
    [
      'edge 15: a dilated kernel beyond 2^31',
      [1, 1, 8, 8],
      [1, 1, 3, 3],
      { dilation: 2 ** 31 - 1 },
      /larger than the padded input/,
    ],
    ['edge 71: a fraction, NaN and a bigint as sizes', [1, 1.5, NaN, 4n as never], [1, 1, 1, 1], {}, /inputShape\[1\]/],
    [
      'an unknown option',
      [1, 4, 8, 8],
      [4, 4, 3, 3],
      { strides: 2 } as never,
      /unknown key, "strides".*It takes stride, padding, dilation, groups/,
    ],
  ])('%s', (_, input, weight, options, message) => {
    const call = (): unknown => convOutputShape(input, weight, options)
    expect(call).toThrow(Int8Error)
    expect(call).toThrow(message)
  })

  test('options that are no object', () => {
    expect(() => convOutputShape([1, 1, 4], [1, 1, 2], null as never)).toThrow(ArgumentError)
  })
})

test('geometries of one and two axes are those of three with leading ones', () => {
  const params = readConv('test', [4, 2, 3], 1, { stride: 2, padding: [[1, 0]], dilation: 2 })
  expect(convGeometry('test', [5, 2, 9], params).geometry).toEqual({
    batch: 5,
    groups: 1,
    inChannels: 2,
    outChannels: 4,
    input: [1, 1, 9],
    output: [1, 1, 3],
    kernel: [1, 1, 3],
    stride: [1, 1, 2],
    dilation: [1, 1, 2],
    padding: [0, 0, 1],
  })
})
