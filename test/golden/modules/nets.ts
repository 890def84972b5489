/** Whole nets: fused, calibrated and converted as PyTorch did, and compared layer by layer. */
import { DTypeError, NotCalibratedError } from '../../../src/errors'
import * as nn from '../../../src/nn'
import type { Activation, Layer } from '../../../src/nn'
import { convert } from '../../../src/quantization/convert'
import { fuseModules } from '../../../src/quantization/fuse'
import { MinMaxObserver } from '../../../src/quantization/observers'
import { prepare } from '../../../src/quantization/prepare'
import type { QTensor } from '../../../src/tensor/qtensor'
import { isTensor, tensor, zeros, type Tensor } from '../../../src/tensor/tensor'
import { closeness, expectClose, expectQuantized } from '../../support/compare'
import { outputsOf, type GoldenCase, type Values } from '../../support/goldens'
import { expectScale, expectState, floatDict, qconfigs, quantizedDict, stepsApart } from './shared'

class Residual extends nn.Module {
  quant: Layer = new nn.QuantStub()
  dequant: nn.Module<Activation> = new nn.DeQuantStub()
  conv1: Layer = new nn.Conv2d(3, 4, 3, { padding: 1, bias: false })
  bn1: Layer = new nn.BatchNorm2d(4)
  relu1: Layer = new nn.ReLU()
  conv2: Layer = new nn.Conv2d(4, 4, 3, { padding: 1 })
  bn2: Layer = new nn.BatchNorm2d(4)
  skip: Layer = new nn.Conv2d(3, 4, 1)
  add: nn.Functional & Layer = new nn.FloatFunctional()
  cat: nn.Functional & Layer = new nn.FloatFunctional()
  pool: Layer = new nn.AvgPool2d(2)
  flatten: Layer = new nn.Flatten()
  fc: Layer = new nn.Linear(72, 5)

  override forward(x: Tensor): Tensor {
    const q = this.quant.forward(x)
    const y = this.bn2.forward(this.conv2.forward(this.relu1.forward(this.bn1.forward(this.conv1.forward(q)))))
    const sum = this.add.addRelu(y, this.skip.forward(q))
    const both = this.cat.cat([sum, this.skip.forward(q)], 1)
    return this.dequant.forward(this.fc.forward(this.flatten.forward(this.pool.forward(both))))
  }
}

function sequential(): nn.Sequential<Tensor, Tensor> {
  return new nn.Sequential<Tensor, Tensor>(
    new nn.QuantStub(),
    new nn.Conv2d(1, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(4, 6, 3),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(24, 5),
    new nn.ReLU(),
    new nn.Linear(5, 3),
    new nn.DeQuantStub(),
  )
}

/**
 * Fuses, calibrates and converts a net as PyTorch did. Observers of ranges must arrive at PyTorch's parameters, and
 * conversion at its state dict; histograms need not, since 1.13 truncates their bounds: there the weights alone must be
 * PyTorch's. Then PyTorch's state dict is loaded, and every activation compared: the sequential net gives qnnpack's codes
 * exactly; the one with an addition, which qnnpack rounds in its own way, within a code, and two steps in its results.
 */
export function workflow(golden: GoldenCase): void {
  const { inputs, params } = golden
  const outputs = outputsOf(golden, 'qnnpack')
  const qconfig = qconfigs[params.text('qconfig')]
  if (qconfig === undefined) throw new Error('no such QConfig')
  const residual = golden.id.includes('residual')
  const net: nn.Module = residual ? new Residual() : sequential()
  net.loadStateDict(floatDict(outputs.values('float_state_dict')))
  const batches = inputs.list('calibration').filter((batch) => isTensor(batch)) as Tensor[]
  const [x = zeros([])] = batches
  expectClose(net.forward(x), outputs.tensor('float_y'), { abs: 1e-5, rel: 1e-5 })
  const fused = fuseModules(net, params.list('fuse') as readonly (readonly string[])[])
  expectClose(fused.forward(x), outputs.tensor('fused_y'), { abs: 1e-5, rel: 1e-5 })
  const prepared = prepare(fused, { qconfig })
  for (const batch of batches) prepared.forward(batch)
  const converted = convert(prepared)
  const theirs = quantizedDict(outputs.values('state_dict'))
  const ofRanges = qconfig.activation() instanceof MinMaxObserver
  if (ofRanges) checkObservers(prepared, outputs.values('observers'))
  expectState(converted.stateDict(), theirs, (key) => ofRanges || /\.(weight|bias)$/.test(key))
  // Where the scales are not PyTorch's, the result cannot be: it must be about as near to the float one.
  const [mine, float, its] = [converted.forward(x), outputs.tensor('float_y'), outputs.tensor('y')]
  if (ofRanges) expectClose(mine, its, closeness(golden))
  else expect(distance(mine, float)).toBeLessThan(1.25 * distance(its, float))
  checkTypes(converted, outputs.values('modules'))
  converted.loadStateDict(theirs)
  const seen = record(converted)
  const y = converted.forward(x)
  checkActivations(seen, outputs.values('activations'), residual ? 1 : 0)
  expect(stepsApart(y, outputs.tensor('y'), outputScale(converted))).toBeLessThan(residual ? 2.01 : 0.01)
}

/** Euclidean distance. */
function distance(a: Tensor, b: Tensor): number {
  return Math.hypot(...a.data.map((value, i) => value - (b.data[i] ?? NaN)))
}

/** PyTorch's classes are ours, by name; its containers of packed parameters have no counterpart. */
function checkTypes(converted: nn.Module, expected: Values): void {
  for (const path of Object.keys(expected.map)) {
    if (/_packed_params|activation_post_process/.test(path)) continue
    expect([path, converted.getSubmodule(path).typeName.split('.').at(-1)]).toEqual([path, expected.text(path)])
  }
}

/** What each layer without children gave last. */
function record(net: nn.Module): Map<string, Activation> {
  const seen = new Map<string, Activation>()
  for (const [path, module] of net.namedModules()) {
    if (module.namedChildren().length > 0) continue
    const forward = module.forward.bind(module)
    module.forward = (...inputs) => {
      const y = forward(...inputs)
      seen.set(path, y)
      return y
    }
  }
  return seen
}

function checkActivations(seen: ReadonlyMap<string, Activation>, expected: Values, codes: number): void {
  for (const path of Object.keys(expected.map)) {
    const y = seen.get(path)
    // Layers that were fused into another need not run, and PyTorch's observers of sums are no layers here.
    if (y === undefined) expect(path).toMatch(/^[2369]$|^(bn|relu)\d$|\.activation_post_process$/)
    else if (expected.isQuantized(path)) expectQuantized(y as QTensor, expected.codes(path), codes)
  }
}

/** Scale of the last quantized layer. */
function outputScale(net: nn.Module): number {
  const scale = [...net.stateDict()].filter(([key]) => key.endsWith('.scale')).at(-1)?.[1]
  return isTensor(scale) ? Number(scale.item()) : NaN
}

function checkObservers(prepared: nn.Module, expected: Values): void {
  for (const key of Object.keys(expected.map)) {
    const observer = expected.values(key)
    const module = prepared.getSubmodule(key.replace(/\.activation_post_process$/, ''))
    if (!nn.isObservable(module)) throw new Error(`${key} does not observe`)
    const qparams = module.activationPostProcess?.calculateQParams()
    if (qparams?.kind !== 'perTensor') throw new Error(`${key} observes channels`)
    expectScale(qparams.scale, Number(observer.plain('scale').item()))
    expect(qparams.zeroPoint).toBe(Number(observer.plain('zero_point').item()))
  }
}

export function mistakes(golden: GoldenCase): void {
  const conv = new nn.Conv2d(1, 1, 1)
  conv.weight = tensor([1], [1, 1, 1, 1])
  conv.bias = tensor([0])
  const qconfig = qconfigs['default']
  if (qconfig === undefined) throw new Error('no such QConfig')
  const prepared = prepare(new nn.Sequential(new nn.QuantStub(), conv, new nn.DeQuantStub()), { qconfig })
  if (golden.id.startsWith('convert without calibration')) {
    expect(() => convert(prepared)).toThrow(NotCalibratedError)
    return
  }
  prepared.forward(tensor([1], [1, 1, 1, 1]))
  const layer = convert(prepared).getSubmodule('1')
  expect(() => layer.forward(tensor([1], [1, 1, 1, 1]))).toThrow(DTypeError)
}
