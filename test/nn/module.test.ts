/** Protects the module tree: names, paths, replacement, copies. */
import { ArgumentError } from '../../src/errors'
import * as nn from '../../src/nn'
import type { Activation, Layer } from '../../src/nn'
import { MinMaxObserver } from '../../src/quantization/observers'
import { tensor, type Tensor } from '../../src/tensor/tensor'
import { FashionMobileNet, MnistCNN } from '../support/networks'
import { noise, randomise } from '../support/nn'

class Branches extends nn.Module<Activation, Activation> {
  stem: Layer = new nn.Identity()
  branches: Layer[] = [new nn.ReLU(), new nn.Sequential(new nn.ReLU6(), new nn.Identity())]
  scale = 3
  join: nn.Functional & Layer = new nn.FloatFunctional()

  override forward(x: Activation): Activation {
    const [left, right] = this.branches.map((branch) => branch.forward(this.stem.forward(x)))
    if (left === undefined || right === undefined) throw new Error('two branches')
    return this.join.add(left, right)
  }
}

const pathsOf = (module: Layer): string[] => module.namedModules().map(([path]) => path)

test('children are the fields that hold modules, and the modules of arrays, in the order in which they were set', () => {
  expect(new Branches().namedChildren().map(([name]) => name)).toEqual(['stem', 'branches.0', 'branches.1', 'join'])
})

test('namedModules lists the tree depth first, the root under the empty name', () => {
  expect(pathsOf(new Branches())).toEqual([
    '',
    'stem',
    'branches.0',
    'branches.1',
    'branches.1.0',
    'branches.1.1',
    'join',
  ])
})

test('namedModules lists a module that is used twice once', () => {
  const shared = new nn.ReLU()
  expect(pathsOf(new nn.Sequential(shared, new nn.Identity(), shared))).toEqual(['', '0', '1'])
})

test('a module that lies within itself is refused, not followed for ever', () => {
  const outer = new Branches()
  outer.branches.push(new nn.Sequential(outer))
  expect(() => outer.namedModules()).toThrow("Branches: the module 'branches.2.0' lies within itself")
})

test('getSubmodule follows a path through fields, arrays and sequences', () => {
  const model = new Branches()
  expect(model.getSubmodule('')).toBe(model)
  expect(model.getSubmodule('branches.1.0').typeName).toBe('nn.ReLU6')
})

test('getSubmodule names what a level has when the path leads nowhere', () => {
  expect(() => new Branches().getSubmodule('branches.1.7')).toThrow(
    `Branches.getSubmodule: path must be the path of a module, but got "branches.1.7". 'branches.1' has the modules 0, 1.`,
  )
  expect(() => new nn.Sequential().getSubmodule('0')).toThrow('The model has no modules below it.')
})

test('setSubmodule replaces a field, an element of an array and a member of a sequence', () => {
  const model = new Branches()
  for (const path of ['stem', 'branches.0', 'branches.1.1']) {
    const module = new nn.Dropout()
    model.setSubmodule(path, module)
    expect(model.getSubmodule(path)).toBe(module)
    expect(module.modulePath).toBe(path)
  }
  expect(model.branches[0]?.typeName).toBe('nn.Dropout')
})

test('setSubmodule refuses a path that is not there and a value that is no module', () => {
  expect(() => {
    new Branches().setSubmodule('branches.2', new nn.ReLU())
  }).toThrow(ArgumentError)
  expect(() => {
    new Branches().setSubmodule('stem', JSON.parse('{}') as Layer)
  }).toThrow('module must be a Module')
})

test('a clone has modules of its own, the same classes, tensors and other fields', () => {
  const model = new Branches()
  const conv = new nn.Conv2d(1, 1, 1)
  conv.weight = tensor([2], [1, 1, 1, 1])
  model.stem = conv
  const copy = model.clone()
  expect(copy).toBeInstanceOf(Branches)
  expect(pathsOf(copy)).toEqual(pathsOf(model))
  for (const [path, module] of model.namedModules()) expect(copy.getSubmodule(path)).not.toBe(module)
  expect(copy.stateDict().get('stem.weight')).toBe(conv.weight)
  expect(copy.scale).toBe(3)
})

test('changing a clone leaves the original as it was', () => {
  const model = new Branches()
  const copy = model.clone()
  copy.setSubmodule('branches.0', new nn.Dropout())
  expect(model.branches[0]?.typeName).toBe('nn.ReLU')
  const conv = randomise(new nn.Conv2d(1, 2, 1))
  const other: nn.Conv2d = conv.clone()
  other.weight = noise([2, 1, 1, 1], 9)
  expect(conv.weight).not.toBe(other.weight)
  expect(conv.forward(noise([1, 1, 2, 2])).data).not.toEqual(other.forward(noise([1, 1, 2, 2])).data)
})

test('a clone keeps a shared module shared', () => {
  const shared = new nn.ReLU()
  const copy = new nn.Sequential(shared, shared).clone()
  expect(copy[0]).toBe(copy[1])
  expect(copy[0]).not.toBe(shared)
})

test('a clone has observers of its own', () => {
  const conv = randomise(new nn.Conv2d(1, 1, 1))
  conv.activationPostProcess = new MinMaxObserver()
  conv.forward(noise([1, 1, 2, 2]))
  const copy = conv.clone()
  const before = conv.activationPostProcess.calculateQParams()
  copy.forward(tensor([1e6], [1, 1, 1, 1]))
  expect(conv.activationPostProcess.calculateQParams()).toEqual(before)
  expect(copy.activationPostProcess?.calculateQParams()).not.toEqual(before)
})

test('a clone tells every module its path', () => {
  const model = new MnistCNN().clone()
  expect(model.getSubmodule('res.conv1.0').modulePath).toBe('res.conv1.0')
  expect(() => model.getSubmodule('res.conv1.0').forward(noise([1, 64, 3, 3]))).toThrow(
    `nn.Conv2d 'res.conv1.0': this layer has no weights yet. Load them by loadStateDict, or set its weight.`,
  )
})

test('a module without forwardAsync says what to write', async () => {
  await expect(new Branches().forwardAsync(noise([1]))).rejects.toThrow(
    "Branches.forwardAsync: this class defines no forwardAsync. Write one beside forward that awaits the layers' forwardAsync in the same order.",
  )
})

test('Sequential runs its modules in order, now and off the event loop', async () => {
  const model = new nn.Sequential<Tensor, Tensor>(new nn.ReLU(), new nn.Hardtanh({ min: -5, max: 0.25 }))
  const x = noise([3, 5])
  expect(model.forward(x).data).toEqual(x.data.map((value) => Math.min(Math.max(value, 0), 0.25)))
  expect((await model.forwardAsync(x)).data).toEqual(model.forward(x).data)
})

test('Sequential counts, indexes and iterates its modules', () => {
  const model = new nn.Sequential(new nn.ReLU(), new nn.Identity())
  expect(model).toHaveLength(2)
  expect(model[1]?.typeName).toBe('nn.Identity')
  expect([...model].map((module) => module.typeName)).toEqual(['nn.ReLU', 'nn.Identity'])
})

test('Sequential refuses a class in the place of an instance', () => {
  const wrong: unknown = nn.ReLU
  expect(() => new nn.Sequential(new nn.ReLU(), wrong as Layer)).toThrow(
    'nn.Sequential: layers[1] must be a Module, but got a function. It is a class: make an instance of it with new.',
  )
})

test('ModuleList holds modules under their numbers and has no forward', () => {
  const list = new nn.ModuleList([new nn.ReLU(), new nn.Identity()])
  expect(list.namedChildren().map(([name]) => name)).toEqual(['0', '1'])
  expect(() => list.forward()).toThrow('nn.ModuleList.forward: a list of modules has no forward')
})

test('the reference networks have the paths of their PyTorch classes', () => {
  const mnist = pathsOf(new MnistCNN())
  expect(mnist).toEqual(expect.arrayContaining(['stem.0', 'dw.2', 'res.conv1.1', 'res.bn2', 'res.add', 'fc']))
  const fashion = pathsOf(new FashionMobileNet())
  expect(fashion).toEqual(expect.arrayContaining(['features.0.2', 'features.3.skip_add', 'features.8.0']))
  expect(fashion).not.toContain('features.2.skip_add')
  expect(FashionMobileNet.fuse).toContainEqual(['features.1.conv.0.0', 'features.1.conv.0.1', 'features.1.conv.0.2'])
})
