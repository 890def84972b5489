/** Protects the oracle's dynamic quantization: ONNX's formulas, ranges of nothing, parameters that are any floats. */
import { createJsBackend } from '../../../src/backend/js'

const backend = createJsBackend()
const { fround } = Math

function paramsOf(...x: number[]): number[] {
  const y = new Float32Array(2)
  backend.run('dynamicParams', { x: Float32Array.from(x), y })
  return [...y]
}

function quantizedBy(x: number[], ...params: number[]): number[] {
  const y = new Uint8Array(x.length)
  backend.run('quantizeBy', { x: Float32Array.from(x), y, params: Float32Array.from(params) })
  return [...y]
}

describe('dynamicParams', () => {
  test("gives the example of ONNX's DynamicQuantizeLinear", () => {
    expect(paramsOf(0, 2, -3, -2.5, 1.34, 0.5)).toEqual([fround(5 / 255), 153])
  })

  test('takes zero into the range and skips what is not finite', () => {
    expect(paramsOf(1, 2.55, NaN, Infinity)).toEqual([fround(fround(2.55) / 255), 0])
    expect(paramsOf(-1, -255, -Infinity)).toEqual([1, 255])
  })

  test('gives scale 1 and zero point 0 where the range is 0', () => {
    expect(paramsOf()).toEqual([1, 0])
    expect(paramsOf(0, -0)).toEqual([1, 0])
    expect(paramsOf(NaN)).toEqual([1, 0])
    expect(paramsOf(2 ** -149)).toEqual([1, 0])
  })
})

test('quantizeBy takes any floats as parameters', () => {
  expect(quantizedBy([0, 2, -3, -2.5, 1.34, 0.5], fround(5 / 255), 153)).toEqual([153, 255, 0, 26, 221, 179])
  expect(quantizedBy([-1, 0, 1], NaN, 7)).toEqual([7, 7, 7])
  expect(quantizedBy([-1, 0, 1], 0, 7)).toEqual([0, 7, 255])
  expect(quantizedBy([-1, 0, 1], 1, NaN)).toEqual([0, 0, 1])
  expect(quantizedBy([-1, 0, 1], 1, 1e30)).toEqual([254, 255, 255])
})

test('dynamicRescale takes the zero point out of a sum that was made without one', () => {
  // (x - 3) * w with x = [5, 9], w = [2, -4]: 5*2 - 9*4 = -26, less 3 * (2 - 4).
  const y = new Float32Array(2)
  backend.run('dynamicRescale', {
    x: Int32Array.of(-26, -26),
    y,
    params: Float32Array.of(0.5, 3),
    sums: Int32Array.of(-2, -2),
    scales: Float32Array.of(0.25, 1),
    bias: Float32Array.of(1, 0),
    rows: 1,
    channels: 2,
    lo: -5,
    hi: Infinity,
  })
  expect([...y]).toEqual([-20 * 0.125 + 1, -5])
})
