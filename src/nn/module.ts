/** The base of every layer and model: a tree of modules with named tensors. */
import { ArgumentError } from '../errors'
import type { QConfig } from '../quantization/qconfig'
import type { Observer } from '../quantization/observers/observer'
import { isTensor, type Tensor } from '../tensor/tensor'
import type { QTensor } from '../tensor/qtensor'
import { collectState, loadState, type LoadResult, type StateDict, type StateSlot, type StateValue } from './state'
import { brand, childrenOf, cloneTree, isModule, modulesOf, replaceChild, resolveChild } from './tree'

export { isModule } from './tree'
export type { LoadResult, StateDict, StateSlot, StateValue } from './state'

/** What flows between layers: a float tensor before conversion, a quantized one after it. */
export type Activation = Tensor | QTensor

/**
 * A module of any kind: how a model's class types the fields that hold its layers, since conversion puts quantized
 * layers in the place of float ones.
 */
export type Layer = Module<Activation, Activation>

/**
 * Base class of layers and of users' own models. PyTorch: `torch.nn.Module`, always in `eval` mode.
 *
 * A model sets modules (or arrays of modules) as its fields and computes with them in {@link forward}; the fields' names
 * are the names in the state dict. Conversion clones the model and replaces fields, so keep state in ordinary fields: not
 * in `#private` ones, and not in closures that hold `this`.
 *
 * @example
 * class Block extends nn.Module<Activation, Activation> {
 *   conv: nn.Layer = new nn.Conv2d(8, 8, 3, { padding: 1 })
 *   add = new nn.FloatFunctional()
 *   forward(x: Activation): Activation {
 *     return this.add.add(this.conv.forward(x), x)
 *   }
 * }
 */
export abstract class Module<In extends Activation = Tensor, Out extends Activation = Tensor> {
  /** Quantization of this module and those below it; `null` keeps them float, absent means the parent's. */
  declare qconfig?: QConfig | null
  /** Path of this module in its model, as the model's last `clone` or `loadStateDict` named it; '' for the root. */
  declare modulePath?: string

  get [brand](): typeof brand {
    return brand
  }

  /** The class as errors and mappings name it: `nn.Conv2d`, `nn.quantized.Linear`; a user's class by its own name. */
  get typeName(): string {
    return this.constructor.name
  }

  /** Computes the module's output. */
  abstract forward(x: In, ...more: In[]): Out

  /** {@link forward} off the event loop. The library's own modules have it; a user's class that wants it defines it. */
  forwardAsync(x: In, ...more: In[]): Promise<Out>
  forwardAsync(): Promise<Out> {
    return Promise.reject(
      new ArgumentError({
        op: this.label('forwardAsync'),
        message: 'this class defines no forwardAsync',
        hint: "Write one beside forward that awaits the layers' forwardAsync in the same order.",
      }),
    )
  }

  /**
   * Direct children by name, in the order in which the fields were set: a field that is a module has the field's name,
   * a module in an array `blocks` the name `blocks.0`. PyTorch: `named_children`.
   */
  namedChildren(): [name: string, child: Layer][] {
    return childrenOf(this)
  }

  /** This module under the name '', then all below it, depth first; a shared one once. PyTorch: `named_modules`. */
  namedModules(): [path: string, module: Layer][] {
    return modulesOf(this)
  }

  /** The module at a path: `features.0.conv`; '' is this one. PyTorch: `get_submodule`. @throws ArgumentError */
  getSubmodule(path: string): Layer {
    if (path === '') return this
    const { parent, name } = resolveChild(this, path, `${this.typeName}.getSubmodule`)
    const found = parent.namedChildren().find(([key]) => key === name)
    return found?.[1] ?? this
  }

  /**
   * Puts another module in the place of an existing one. The field then holds a module of another class than its
   * declaration may say: type such fields as {@link Layer}. PyTorch: `set_submodule`.
   *
   * @throws ArgumentError where the path names no module
   */
  setSubmodule(path: string, module: Layer): void {
    const op = `${this.typeName}.setSubmodule`
    if (!isModule(module)) throw new ArgumentError({ op, argument: 'module', expected: 'a Module' })
    const { parent, name } = resolveChild(this, path, op)
    parent.setChild(name, module)
    module.modulePath = path
  }

  /** @internal Replaces the direct child of that name, which exists. */
  setChild(name: string, module: Layer): void {
    replaceChild(this, name, module)
  }

  /** Learnt tensors (weights, biases) by full name. PyTorch: `named_parameters`. */
  namedParameters(): [name: string, value: StateValue][] {
    return collectState(this, 'parameter')
  }

  /** Other tensors of the state (running statistics, scales) by full name. PyTorch: `named_buffers`. */
  namedBuffers(): [name: string, value: StateValue][] {
    return collectState(this, 'buffer')
  }

  /** All tensors by PyTorch's names, shared, not copied. PyTorch: `state_dict`. */
  stateDict(): StateDict {
    return new Map(collectState(this))
  }

  /**
   * Takes tensors by PyTorch's names. Everything is checked before anything is set. PyTorch: `load_state_dict`.
   *
   * @param dict - Tensors by full name; they are shared, not copied.
   * @param options - `strict` (default true): names that lack or that no module knows are errors; otherwise they are
   *   only returned.
   * @throws FormatError that lists every missing and unexpected name and every tensor that does not fit
   */
  loadStateDict(dict: ReadonlyMap<string, StateValue>, options: { readonly strict?: boolean } = {}): LoadResult {
    return loadState(this, dict, options)
  }

  /**
   * A copy of the module tree: every module and observer is new (one used twice stays one), tensors and other fields are
   * shared. The constructors do not run.
   */
  clone(): this {
    return cloneTree(this)
  }

  /** @internal The module's own tensors (not its children's), by key. */
  state(): Readonly<Record<string, StateSlot>> {
    return {}
  }

  /** @internal Checks tensors that passed their slots' checks together, and returns what sets them. */
  prepareLoad(values: ReadonlyMap<string, StateValue>): () => void
  prepareLoad(): () => void {
    return () => undefined
  }

  /** @internal How an error names this module: class, method, and path where known. */
  label(method?: string): string {
    const base = method === undefined ? this.typeName : `${this.typeName}.${method}`
    return this.modulePath === undefined || this.modulePath === '' ? base : `${base} '${this.modulePath}'`
  }
}

/**
 * A leaf whose output calibration can watch: prepare sets {@link activationPostProcess}, every forward shows it the
 * output.
 */
export abstract class ObservableModule<In extends Activation = Tensor, Out extends Activation = Tensor> extends Module<
  In,
  Out
> {
  /** Watches the output during calibration. PyTorch: `activation_post_process`. */
  activationPostProcess: Observer | undefined = undefined

  /** The output, unwatched. */
  protected abstract compute(x: In, ...more: In[]): Out

  /** {@link compute} off the event loop. */
  protected abstract computeAsync(x: In, ...more: In[]): Promise<Out>

  override forward(x: In, ...more: In[]): Out {
    return this.observed(this.compute(x, ...more))
  }

  override async forwardAsync(x: In, ...more: In[]): Promise<Out> {
    return this.observed(await this.computeAsync(x, ...more))
  }

  /** Shows a result to the observer, if there is one, and returns it. */
  protected observed(y: Out): Out {
    if (this.activationPostProcess !== undefined && isTensor(y)) this.activationPostProcess.forward(y)
    return y
  }
}

/** Whether a module can carry an observer of its output. */
export function isObservable(module: Layer): module is ObservableModule<Activation, Activation> {
  return 'activationPostProcess' in module
}
