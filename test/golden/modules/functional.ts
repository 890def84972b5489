/** QFunctional, and dynamic linear layers. */
import { ArgumentError } from '../../../src/errors'
import * as nn from '../../../src/nn'
import type { Activation, Layer } from '../../../src/nn'
import * as F from '../../../src/ops/float'
import { convert } from '../../../src/quantization/convert'
import { quantizeDynamic } from '../../../src/quantization/dynamic'
import { prepare } from '../../../src/quantization/prepare'
import { isTensor, tensor, type Tensor } from '../../../src/tensor/tensor'
import { closeness, expectClose } from '../../support/compare'
import { outputsOf, type GoldenCase } from '../../support/goldens'
import { expectScale, floatDict, qconfigs, stepsApart } from './shared'

class Arithmetic extends nn.Module {
  q: Layer = new nn.QuantStub()
  q2: Layer = new nn.QuantStub()
  f: nn.Functional & Layer = new nn.FloatFunctional()
  d: nn.Module<Activation> = new nn.DeQuantStub()
  op = 'add'

  override forward(a: Tensor, ...more: Tensor[]): Tensor {
    const [x, y] = [this.q.forward(a), this.q2.forward(more[0] ?? a)]
    switch (this.op) {
      case 'add':
        return this.d.forward(this.f.add(x, y))
      case 'mul':
        return this.d.forward(this.f.mul(x, y))
      case 'add_relu':
        return this.d.forward(this.f.addRelu(x, y))
      case 'cat':
        return this.d.forward(this.f.cat([x, y], 1))
      case 'add_scalar':
        return this.d.forward(this.f.addScalar(x, 1.7))
      case 'mul_scalar':
        return this.d.forward(this.f.mulScalar(x, 1.7))
      default:
        throw new ArgumentError({ op: 'test', message: `no op ${this.op}` })
    }
  }
}

export function functional(golden: GoldenCase): void {
  const { inputs, params } = golden
  const outputs = outputsOf(golden)
  const [a, b] = [inputs.tensor('a'), inputs.tensor('b')]
  const net = new Arithmetic()
  net.op = params.text('op')
  expectClose(net.forward(a, b), outputs.tensor('float_y'), { abs: 1e-6, rel: 1e-6 })
  const qconfig = qconfigs['minmax full range']
  const prepared = prepare(net, qconfig === undefined ? {} : { qconfig })
  for (const factor of params.numbers('calibration_factors'))
    prepared.forward(F.mul(a, tensor(factor)), F.mul(b, tensor(factor)))
  // Sums and products with a number need no observer, so ours has seen nothing: PyTorch converts it to scale 1.
  const scalar = net.op.endsWith('scalar')
  const converted = convert(prepared)
  const dict = converted.stateDict()
  const read = (key: string): number => {
    const value = dict.get(key)
    return isTensor(value) ? Number(value.item()) : NaN
  }
  expectScale(read('q.scale'), outputs.number('q_scale'))
  expect(read('q.zero_point')).toBe(outputs.number('q_zero_point'))
  if (!scalar) {
    expectScale(read('f.scale'), outputs.number('scale'))
    expect(read('f.zero_point')).toBe(outputs.number('zero_point'))
  }
  const step = scalar ? 1.7 * outputs.number('q_scale') : outputs.number('scale')
  expect(stepsApart(converted.forward(a, b), outputs.tensor('y'), step)).toBeLessThan(1.01)
}

/** Modules of PyTorch ask for 7 bits; qnnpack ignores it, as the modules here do by default. */
export function dynamic(golden: GoldenCase): void {
  const outputs = outputsOf(golden, 'qnnpack')
  const dict = floatDict(outputs.values('float_state_dict'))
  const net = dict.has('2.weight')
    ? new nn.Sequential<Tensor, Tensor>(new nn.Linear(6, 8), new nn.ReLU(), new nn.Linear(8, 3))
    : new nn.Sequential<Tensor, Tensor>(new nn.Linear(6, 4))
  net.loadStateDict(dict)
  const [x] = golden.inputs.list('args')
  if (!isTensor(x) || x.dtype !== 'float32') throw new Error('no input')
  expectClose(net.forward(x as Tensor), outputs.tensor('float_y'), { abs: 1e-5, rel: 1e-5 })
  expectClose(quantizeDynamic(net).forward(x as Tensor), outputs.tensor('y'), closeness(golden))
}
