/** A part of a quantized model that stays float: codes become float before it and codes again behind it. */
import { runAsync, runSync } from '../backend/steps'
import type { Functional } from '../nn/functional-modules'
import { ObservableModule, type Activation, type Layer, type StateSlot, type StateValue } from '../nn/module'
import { QuantizedModule } from '../nn/quantized/output'
import * as Q from '../ops/quantized'
import { dequantizeSteps, isQTensor } from '../tensor/qtensor'
import { quantizePerTensor, quantizePerTensorAsync } from '../tensor/quantize'
import type { Tensor } from '../tensor/tensor'
import type { QDType8 } from '../tensor/dtype'
import type { Observer } from './observers'

/**
 * What {@link prepare} puts around a module that its QConfig (`null`) leaves float: watches the output. The module's
 * children and tensors keep their names.
 */
export class WatchedIsland extends ObservableModule<Activation, Activation> {
  readonly inner: Layer

  constructor(inner: Layer, observer: Observer) {
    super()
    this.inner = inner
    this.activationPostProcess = observer
    if (inner.modulePath !== undefined) this.modulePath = inner.modulePath
  }

  override get typeName(): string {
    return 'quantization.WatchedIsland'
  }

  override namedChildren(): [string, Layer][] {
    return this.inner.namedChildren()
  }

  override setChild(name: string, module: Layer): void {
    this.inner.setChild(name, module)
  }

  override state(): Readonly<Record<string, StateSlot>> {
    return this.inner.state()
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    return this.inner.prepareLoad(values)
  }

  protected override compute(x: Activation, ...more: Activation[]): Activation {
    return this.inner.forward(x, ...more)
  }

  protected override computeAsync(x: Activation, ...more: Activation[]): Promise<Activation> {
    return this.inner.forwardAsync(x, ...more)
  }
}

/** Whether a module is a {@link WatchedIsland}. */
export function isWatchedIsland(module: Layer): module is WatchedIsland {
  return module.typeName === 'quantization.WatchedIsland'
}

/**
 * A float module among quantized ones. Given codes, it computes on their real values and quantizes what comes out; given
 * floats, it is the float module. The module's children and tensors keep their names; `scale` and `zero_point` of the
 * output stand beside them.
 */
export class FloatIsland extends QuantizedModule<Activation, Activation> {
  readonly inner: Layer

  constructor(inner: Layer, dtype: QDType8) {
    super('quantization.FloatIsland', { dtype })
    this.inner = inner
    if (inner.modulePath !== undefined) this.modulePath = inner.modulePath
  }

  override get typeName(): string {
    return 'quantization.FloatIsland'
  }

  override namedChildren(): [string, Layer][] {
    return this.inner.namedChildren()
  }

  override setChild(name: string, module: Layer): void {
    this.inner.setChild(name, module)
  }

  override state(): Readonly<Record<string, StateSlot>> {
    return { ...this.inner.state(), ...super.state() }
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    const inner = this.inner.prepareLoad(values)
    const own = super.prepareLoad(values)
    return () => {
      inner()
      own()
    }
  }

  override forward(x: Activation, ...more: Activation[]): Activation {
    return this.leave(this.inner.forward(enter(x), ...more.map(enter)), x)
  }

  override async forwardAsync(x: Activation, ...more: Activation[]): Promise<Activation> {
    const floats = await Promise.all(more.map(enterAsync))
    return this.leaveAsync(await this.inner.forwardAsync(await enterAsync(x), ...floats), x)
  }

  /** Takes over what an observer saw. */
  calibrated(observer: Observer | undefined): this {
    return this.adopt(this.inner, observer)
  }

  /** The result, of the kind of the operand `like`. */
  protected leave<T extends Activation>(y: Activation, like: T): T {
    if (isQTensor(y) || !isQTensor(like)) return y as T
    const { scale, zeroPoint } = this.requireQParams()
    return quantizePerTensor(y, scale, zeroPoint, this.dtype) as Activation as T
  }

  protected async leaveAsync<T extends Activation>(y: Activation, like: T): Promise<T> {
    if (isQTensor(y) || !isQTensor(like)) return y as T
    const { scale, zeroPoint } = this.requireQParams()
    const quantized: Activation = await quantizePerTensorAsync(y, scale, zeroPoint, this.dtype)
    return quantized as T
  }
}

function enter(x: Activation): Tensor {
  return isQTensor(x) ? runSync(dequantizeSteps(x)) : x
}

async function enterAsync(x: Activation): Promise<Tensor> {
  return isQTensor(x) ? runAsync(dequantizeSteps(x)) : x
}

/** Float arithmetic among quantized layers: a `FloatFunctional` that stays float. Scalars change only scale and zero point. */
export class FunctionalIsland extends FloatIsland implements Functional {
  private get float(): Functional {
    return this.inner as Layer & Functional
  }

  add<T extends Activation>(a: T, b: T): T {
    return this.leave(this.float.add<Activation>(enter(a), enter(b)), a)
  }

  addRelu<T extends Activation>(a: T, b: T): T {
    return this.leave(this.float.addRelu<Activation>(enter(a), enter(b)), a)
  }

  mul<T extends Activation>(a: T, b: T): T {
    return this.leave(this.float.mul<Activation>(enter(a), enter(b)), a)
  }

  cat<T extends Activation>(tensors: readonly T[], dim?: number): T {
    const y = this.float.cat<Activation>(tensors.map(enter), dim)
    return tensors[0] === undefined ? (y as T) : this.leave(y, tensors[0])
  }

  addScalar<T extends Activation>(a: T, value: number): T {
    if (!isQTensor(a)) return this.float.addScalar(a, value)
    this.checkCodes(a, 'addScalar', 'a')
    return Q.addScalar(a, value) as Activation as T
  }

  mulScalar<T extends Activation>(a: T, value: number): T {
    if (!isQTensor(a)) return this.float.mulScalar(a, value)
    this.checkCodes(a, 'mulScalar', 'a')
    return Q.mulScalar(a, value) as Activation as T
  }

  async addAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return this.leaveAsync(await this.float.addAsync<Activation>(await enterAsync(a), await enterAsync(b)), a)
  }

  async addReluAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return this.leaveAsync(await this.float.addReluAsync<Activation>(await enterAsync(a), await enterAsync(b)), a)
  }

  async mulAsync<T extends Activation>(a: T, b: T): Promise<T> {
    return this.leaveAsync(await this.float.mulAsync<Activation>(await enterAsync(a), await enterAsync(b)), a)
  }

  async catAsync<T extends Activation>(tensors: readonly T[], dim?: number): Promise<T> {
    const y = await this.float.catAsync<Activation>(await Promise.all(tensors.map(enterAsync)), dim)
    return tensors[0] === undefined ? (y as T) : this.leaveAsync(y, tensors[0])
  }

  async addScalarAsync<T extends Activation>(a: T, value: number): Promise<T> {
    return Promise.resolve().then(() => this.addScalar(a, value))
  }

  async mulScalarAsync<T extends Activation>(a: T, value: number): Promise<T> {
    return Promise.resolve().then(() => this.mulScalar(a, value))
  }
}
