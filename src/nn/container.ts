/** Modules that hold other modules in a row. */
import { ArgumentError, show } from '../errors'
import { isModule, Module, type Activation, type Layer } from './module'

/**
 * Modules as numbered children: the own properties `0`, `1`, …, so that their names in the state dict are PyTorch's.
 */
function adopt(parent: Layer, layers: readonly unknown[]): void {
  layers.forEach((layer, index) => {
    if (!isModule(layer))
      throw new ArgumentError({
        op: parent.typeName,
        argument: `layers[${String(index)}]`,
        expected: 'a Module',
        received: show(layer),
        ...(typeof layer === 'function' && { hint: 'It is a class: make an instance of it with new.' }),
      })
    Reflect.set(parent, String(index), layer)
  })
}

function numbered(parent: Sequential | ModuleList): Layer[] {
  const layers: Layer[] = []
  for (let index = 0; ; index++) {
    const layer = parent[index]
    if (!isModule(layer)) return layers
    layers.push(layer)
  }
}

/**
 * Modules run one after the other. PyTorch: `torch.nn.Sequential`.
 *
 * What goes in and what comes out depends on the modules, and changes when a model is converted; where it is known, say
 * it: `new nn.Sequential<Tensor, Tensor>(new nn.QuantStub(), …, new nn.DeQuantStub())`.
 *
 * @example
 * const block = new nn.Sequential(new nn.Conv2d(1, 16, 3), new nn.ReLU())
 * block[0] // the convolution; its weight is '0.weight' in the state dict
 */
export class Sequential<In extends Activation = Activation, Out extends Activation = Activation> extends Module<
  In,
  Out
> {
  readonly [index: number]: Layer

  constructor(...layers: Layer[]) {
    super()
    adopt(this, layers)
  }

  override get typeName(): string {
    return 'nn.Sequential'
  }

  /** Number of modules. */
  get length(): number {
    return numbered(this).length
  }

  [Symbol.iterator](): IterableIterator<Layer> {
    return numbered(this).values()
  }

  override forward(x: In): Out {
    let y: Activation = x
    for (const layer of numbered(this)) y = layer.forward(y)
    return y as Out
  }

  override async forwardAsync(x: In): Promise<Out> {
    let y: Activation = x
    for (const layer of this) y = await layer.forwardAsync(y)
    return y as Out
  }
}

/**
 * Modules in a list, run by the model that holds them. PyTorch: `torch.nn.ModuleList`. A plain array as a field does the
 * same.
 */
export class ModuleList extends Module<Activation, Activation> {
  readonly [index: number]: Layer

  constructor(layers: Iterable<Layer> = []) {
    super()
    adopt(this, [...layers])
  }

  override get typeName(): string {
    return 'nn.ModuleList'
  }

  /** Number of modules. */
  get length(): number {
    return numbered(this).length
  }

  [Symbol.iterator](): IterableIterator<Layer> {
    return numbered(this).values()
  }

  override forward(): never {
    throw new ArgumentError({
      op: this.label('forward'),
      message: 'a list of modules has no forward',
      hint: 'Run its modules one by one from the forward of the model that holds it, or use nn.Sequential.',
    })
  }
}
