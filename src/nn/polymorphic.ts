/** Layers that compute on float tensors and on codes alike, and so stay as they are when a model is converted. */
import type { QDType8 } from '../tensor/dtype'
import { checkQTensor, isQTensor, type QTensor } from '../tensor/qtensor'
import { checkTensor, type Tensor } from '../tensor/tensor'
import { Module, type Activation } from './module'

/** One op for both kinds of tensor, now and off the event loop. */
export interface Face<A extends readonly unknown[]> {
  readonly float: (x: Tensor, ...args: A) => Tensor
  readonly floatAsync: (x: Tensor, ...args: A) => Promise<Tensor>
  readonly quantized: (x: QTensor<QDType8>, ...args: A) => QTensor
  readonly quantizedAsync: (x: QTensor<QDType8>, ...args: A) => Promise<QTensor>
}

/** A layer whose output is of the kind of its input, and on codes keeps scale and zero point. */
export abstract class PolymorphicModule<A extends readonly unknown[]> extends Module<Activation, Activation> {
  /** The ops that compute it. */
  protected abstract get face(): Face<A>
  /** Their arguments after `x`. */
  protected abstract get args(): A

  override forward<T extends Activation>(x: T): T {
    return this.run(x) as T
  }

  override async forwardAsync<T extends Activation>(x: T): Promise<T> {
    return (await this.runAsync(x)) as T
  }

  private run(x: Activation): Activation {
    if (!isQTensor(x)) return this.face.float(this.checked(x), ...this.args)
    checkQTensor(this.label(), x, 'x', ['quint8', 'qint8'])
    return this.face.quantized(x, ...this.args)
  }

  private async runAsync(x: Activation): Promise<Activation> {
    if (!isQTensor(x)) return this.face.floatAsync(this.checked(x), ...this.args)
    checkQTensor(this.label(), x, 'x', ['quint8', 'qint8'])
    return this.face.quantizedAsync(x, ...this.args)
  }

  private checked(x: Tensor): Tensor {
    checkTensor(this.label(), x, 'x')
    return x
  }
}
