/** Arithmetic between activations, as a module, so that calibration can watch it. */
import * as F from '../ops/float'
import { ArgumentError } from '../errors'
import { checkTensor, tensor, type Tensor } from '../tensor/tensor'
import { checkFinite } from '../ops/options'
import { ObservableModule, type Activation } from './module'

/**
 * What {@link FloatFunctional} and the `nn.quantized.QFunctional` that conversion puts in its place both do. All operands
 * are of one kind: floats before conversion, codes after it.
 */
export interface Functional {
  /** `a + b`, broadcast. */
  add<T extends Activation>(a: T, b: T): T
  /** `max(a + b, 0)`, broadcast. */
  addRelu<T extends Activation>(a: T, b: T): T
  /** `a + value`; not watched: codes keep their meaning by another scale and zero point. */
  addScalar<T extends Activation>(a: T, value: number): T
  /** `a * b`, broadcast. */
  mul<T extends Activation>(a: T, b: T): T
  /** `a * value`; not watched. */
  mulScalar<T extends Activation>(a: T, value: number): T
  /** Joins tensors along an axis. */
  cat<T extends Activation>(tensors: readonly T[], dim?: number): T
  addAsync<T extends Activation>(a: T, b: T): Promise<T>
  addReluAsync<T extends Activation>(a: T, b: T): Promise<T>
  addScalarAsync<T extends Activation>(a: T, value: number): Promise<T>
  mulAsync<T extends Activation>(a: T, b: T): Promise<T>
  mulScalarAsync<T extends Activation>(a: T, value: number): Promise<T>
  catAsync<T extends Activation>(tensors: readonly T[], dim?: number): Promise<T>
}

/**
 * Additions, products and concatenations of a float model. Use one instance per place: each has one observer, and after
 * conversion one scale. PyTorch: `torch.nn.quantized.FloatFunctional`.
 *
 * @example
 * class Residual extends nn.Module {
 *   conv = new nn.Conv2d(8, 8, 3, { padding: 1 })
 *   skip = new nn.FloatFunctional()
 *   forward(x) {
 *     return this.skip.add(x, this.conv.forward(x))
 *   }
 * }
 */
export class FloatFunctional extends ObservableModule<Activation, Activation> implements Functional {
  override get typeName(): string {
    return 'nn.FloatFunctional'
  }

  protected override compute(): never {
    throw new ArgumentError({
      op: this.label('forward'),
      message: 'this module has no forward',
      hint: 'Call its add, addRelu, addScalar, mul, mulScalar or cat.',
    })
  }

  protected override computeAsync(): Promise<never> {
    return Promise.resolve().then(() => this.compute())
  }

  add<T extends Activation>(a: T, b: T): T {
    return this.watched(F.add(...this.pair('add', a, b))) as T
  }

  async addAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return this.watched(await F.addAsync(...this.pair('add', a, b))) as T
  }

  addRelu<T extends Activation>(a: T, b: T): T {
    return this.watched(F.relu(F.add(...this.pair('addRelu', a, b)))) as T
  }

  async addReluAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return this.watched(await F.reluAsync(await F.addAsync(...this.pair('addRelu', a, b)))) as T
  }

  addScalar<T extends Activation>(a: T, value: number): T {
    return F.add(...this.withScalar('addScalar', a, value)) as T
  }

  async addScalarAsync<T extends Activation>(a: T, value: number): Promise<T> {
    return (await F.addAsync(...this.withScalar('addScalar', a, value))) as T
  }

  mul<T extends Activation>(a: T, b: T): T {
    return this.watched(F.mul(...this.pair('mul', a, b))) as T
  }

  async mulAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return this.watched(await F.mulAsync(...this.pair('mul', a, b))) as T
  }

  mulScalar<T extends Activation>(a: T, value: number): T {
    return F.mul(...this.withScalar('mulScalar', a, value)) as T
  }

  async mulScalarAsync<T extends Activation>(a: T, value: number): Promise<T> {
    return (await F.mulAsync(...this.withScalar('mulScalar', a, value))) as T
  }

  cat<T extends Activation>(tensors: readonly T[], dim = 0): T {
    return this.watched(F.cat(this.list(tensors), dim)) as T
  }

  async catAsync<T extends Activation>(tensors: readonly T[], dim = 0): Promise<T> {
    return this.watched(await F.catAsync(this.list(tensors), dim)) as T
  }

  private watched(y: Tensor): Activation {
    return this.observed(y)
  }

  private pair(method: string, a: unknown, b: unknown): [Tensor, Tensor] {
    const op = this.label(method)
    checkTensor(op, a, 'a')
    checkTensor(op, b, 'b')
    return [a, b]
  }

  private withScalar(method: string, a: unknown, value: number): [Tensor, Tensor] {
    const op = this.label(method)
    checkTensor(op, a, 'a')
    checkFinite(op, 'value', value)
    return [a, tensor(value)]
  }

  private list(tensors: readonly Activation[]): Tensor[] {
    return tensors.map((item: unknown, index) => {
      checkTensor(this.label('cat'), item, `tensors[${String(index)}]`)
      return item
    })
  }
}
