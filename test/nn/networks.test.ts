/** Protects whole networks with branches and skips: float, fused, converted, saved and loaded, in both forms. */
import type { Layer } from '../../src/nn'
import * as nn from '../../src/nn'
import { convert, fuseModules, getMinMaxQConfig, prepare } from '../../src/quantization'
import { equal, type Tensor } from '../../src/tensor/tensor'
import { FashionMobileNet, MnistCNN } from '../support/networks'
import { noise, randomise } from '../support/nn'

const images = noise([3, 1, 28, 28], 4)
const classes = { MnistCNN, FashionMobileNet }
const names = Object.keys(classes) as (keyof typeof classes)[]

interface Stages {
  readonly float: nn.Module
  readonly prepared: nn.Module
  readonly quantized: nn.Module
}

function stagesOf(name: keyof typeof classes): Stages {
  const Network = classes[name]
  const float = randomise(new Network())
  const prepared = prepare(fuseModules<nn.Module>(float, Network.fuse), { qconfig: getMinMaxQConfig() })
  prepared.forward(images)
  return { float, prepared, quantized: convert(prepared) }
}

const typeAt = (model: Layer, path: string): string => model.getSubmodule(path).typeName

function sqnr(actual: Tensor, expected: Tensor): number {
  const signal = expected.data.reduce((sum, value) => sum + value * value, 0)
  const noisePower = expected.data.reduce((sum, value, i) => sum + (value - (actual.data[i] ?? NaN)) ** 2, 0)
  return 10 * Math.log10(signal / noisePower)
}

describe.each(names)('%s', (name) => {
  const { float, prepared, quantized } = stagesOf(name)

  test('gives ten numbers for each image', () => {
    expect(float.forward(images).shape).toEqual([3, 10])
  })

  test('watched by observers gives what it gave before, but for the rounding of folded weights', () => {
    expect(sqnr(prepared.forward(images), float.forward(images))).toBeGreaterThan(80)
  })

  test('converted stays near the float network', () => {
    expect(sqnr(quantized.forward(images), float.forward(images))).toBeGreaterThan(15)
  })

  test('loads its own state dict into a model that saw no data, and gives the same bytes', () => {
    const empty = prepare(fuseModules<nn.Module>(randomise(new classes[name](), 77), classes[name].fuse), {
      qconfig: getMinMaxQConfig(),
    })
    const loaded = convert(empty, { stateDict: quantized.stateDict() })
    expect(equal(loaded.forward(images), quantized.forward(images))).toBe(true)
    expect([...loaded.stateDict().keys()]).toEqual([...quantized.stateDict().keys()])
  })

  test('has clones that compute the same bytes', () => {
    expect(equal(float.clone().forward(images), float.forward(images))).toBe(true)
    expect(equal(quantized.clone().forward(images), quantized.forward(images))).toBe(true)
  })
})

test('MnistCNN gives the same bytes off the event loop, float and converted', async () => {
  const { float, quantized } = stagesOf('MnistCNN')
  expect(equal(await float.forwardAsync(images), float.forward(images))).toBe(true)
  expect(equal(await quantized.forwardAsync(images), quantized.forward(images))).toBe(true)
})

test('converted layers keep their names and change their classes', () => {
  const { quantized } = stagesOf('FashionMobileNet')
  expect(typeAt(quantized, 'quant')).toBe('nn.quantized.Quantize')
  expect(typeAt(quantized, 'features.0.0')).toBe('nn.quantized.ConvClip2d')
  expect(typeAt(quantized, 'features.0.1')).toBe('nn.Identity')
  expect(typeAt(quantized, 'features.3.conv.2.0')).toBe('nn.quantized.Conv2d')
  expect(typeAt(quantized, 'features.3.skip_add')).toBe('nn.quantized.QFunctional')
  expect(typeAt(quantized, 'gap')).toBe('nn.AdaptiveAvgPool2d')
  expect(typeAt(quantized, 'fc')).toBe('nn.quantized.Linear')
  expect(typeAt(quantized, 'dequant')).toBe('nn.quantized.DeQuantize')
})

test('the names in a converted network’s state dict are those of PyTorch’s int8 network', () => {
  const { quantized } = stagesOf('MnistCNN')
  const layers = ['stem.0', 'down.0', 'dw.0', 'pw.0', 'res.conv1.0', 'res.conv2']
  const all = [...layers, 'fc'].flatMap((path) => [
    `${path}.weight`,
    `${path}.bias`,
    `${path}.scale`,
    `${path}.zero_point`,
  ])
  const doors = ['quant', 'res.add'].flatMap((path) => [`${path}.scale`, `${path}.zero_point`])
  expect([...quantized.stateDict().keys()].sort()).toEqual([...all, ...doors].sort())
})
