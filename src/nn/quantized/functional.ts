/** Arithmetic between codes, as a module that has the result's scale. */
import * as Q from '../../ops/quantized'
import { checkFinite, checkOptions } from '../../ops/options'
import { ArgumentError } from '../../errors'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type { FloatFunctional, Functional } from '../functional-modules'
import type { Activation } from '../module'
import { checkSource, observedDType, quantizedKeys, QuantizedModule, type QuantizedOptions } from './output'

type Pair = [a: QTensor<QDType8>, b: QTensor<QDType8>, scale: number, zeroPoint: number]

/**
 * What conversion puts in the place of `nn.FloatFunctional`: the same methods, on codes. PyTorch:
 * `torch.nn.quantized.QFunctional`.
 */
export class QFunctional extends QuantizedModule<Activation, Activation> implements Functional {
  constructor(options: QuantizedOptions = {}) {
    checkOptions('nn.quantized.QFunctional', options, quantizedKeys)
    super('nn.quantized.QFunctional', options)
  }

  override get typeName(): string {
    return 'nn.quantized.QFunctional'
  }

  override forward(): never {
    throw new ArgumentError({
      op: this.label('forward'),
      message: 'this module has no forward',
      hint: 'Call its add, addRelu, addScalar, mul, mulScalar or cat.',
    })
  }

  add<T extends Activation>(a: T, b: T): T {
    return Q.add(...this.pair('add', a, b)) as T
  }

  async addAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return (await Q.addAsync(...this.pair('add', a, b))) as T
  }

  addRelu<T extends Activation>(a: T, b: T): T {
    return Q.addRelu(...this.pair('addRelu', a, b)) as T
  }

  async addReluAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return (await Q.addReluAsync(...this.pair('addRelu', a, b))) as T
  }

  /** Changes the zero point, and the scale where the range asks for it: the result's parameters are not this module's. */
  addScalar<T extends Activation>(a: T, value: number): T {
    return Q.addScalar(this.codes('addScalar', a, value), value) as T
  }

  async addScalarAsync<T extends Activation>(a: T, value: number): Promise<T> {
    return (await Q.addScalarAsync(this.codes('addScalar', a, value), value)) as T
  }

  mul<T extends Activation>(a: T, b: T): T {
    return Q.mul(...this.pair('mul', a, b)) as T
  }

  async mulAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return (await Q.mulAsync(...this.pair('mul', a, b))) as T
  }

  /** Changes the scale: the result's parameters are not this module's. */
  mulScalar<T extends Activation>(a: T, value: number): T {
    return Q.mulScalar(this.codes('mulScalar', a, value), value) as T
  }

  async mulScalarAsync<T extends Activation>(a: T, value: number): Promise<T> {
    return (await Q.mulScalarAsync(this.codes('mulScalar', a, value), value)) as T
  }

  cat<T extends Activation>(tensors: readonly T[], dim = 0): T {
    return Q.cat(this.list(tensors), dim, this.requireQParams()) as T
  }

  async catAsync<T extends Activation>(tensors: readonly T[], dim = 0): Promise<T> {
    return (await Q.catAsync(this.list(tensors), dim, this.requireQParams())) as T
  }

  private pair(method: string, a: unknown, b: unknown): Pair {
    this.checkCodes(a, method, 'a')
    this.checkCodes(b, method, 'b')
    this.checkDType(a, method, 'a')
    const { scale, zeroPoint } = this.requireQParams()
    return [a, b, scale, zeroPoint]
  }

  private codes(method: string, a: unknown, value: number): QTensor<QDType8> {
    this.checkCodes(a, method, 'a')
    checkFinite(this.label(method), 'value', value)
    return a
  }

  private list(tensors: readonly unknown[]): QTensor<QDType8>[] {
    return tensors.map((item, index) => {
      this.checkCodes(item, 'cat', `tensors[${String(index)}]`)
      this.checkDType(item, 'cat', `tensors[${String(index)}]`)
      return item
    })
  }

  /** The same module, without output parameters: to load a state dict into. */
  static like(module: FloatFunctional): QFunctional {
    checkSource('nn.quantized.QFunctional', module, 'nn.FloatFunctional')
    return new QFunctional({ dtype: observedDType(module, module.activationPostProcess) })
  }

  /** What a `FloatFunctional` that calibration has watched becomes. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: FloatFunctional): QFunctional {
    return QFunctional.like(module).adopt(module, module.activationPostProcess)
  }
}
