/** Protects: fused models compute what unfused ones do, with PyTorch's folded weights, and nothing else is fused. */
import { ArgumentError } from '../../src/errors'
import * as nn from '../../src/nn'
import type { Activation, Layer } from '../../src/nn'
import { fuseModules } from '../../src/quantization'
import { isTensor, type Tensor } from '../../src/tensor/tensor'
import { difference } from '../support/compare'
import { loadGoldens, outputsOf } from '../support/goldens'
import { noise, randomise } from '../support/nn'

function floatOf(y: Activation): Tensor {
  if (isTensor(y)) return y
  throw new Error('not a float tensor')
}

function sequential(...layers: Layer[]): nn.Sequential {
  return randomise(new nn.Sequential(...layers))
}

describe('fuseModules', () => {
  test.each([
    'fuse_modules conv+bn folds',
    'fuse_modules conv+bn+relu without conv bias and without affine',
    'fuse_modules linear+bn1d',
  ])('gives the weights that PyTorch folds, to the bit: %s', (id) => {
    const golden = loadGoldens('modules').find((each) => each.id.startsWith(id))
    const outputs = golden === undefined ? undefined : outputsOf(golden)
    const dict = outputs?.values('float_state_dict')
    if (outputs === undefined || dict === undefined) throw new Error(`no golden ${id}`)
    const weight = dict.tensor('0.weight')
    const [out = 0, inputs = 0, ...kernel] = weight.shape
    const bias = dict.has('0.bias')
    const affine = dict.has('1.weight')
    const eps = golden?.params.optionalNumber('eps') ?? 1e-5
    const layers: Layer[] =
      kernel.length === 0
        ? [new nn.Linear(inputs, out, { bias }), new nn.BatchNorm1d(out, { eps, affine })]
        : [new nn.Conv2d(inputs, out, kernel, { bias }), new nn.BatchNorm2d(out, { eps, affine })]
    const model = new nn.Sequential(...layers)
    model.loadStateDict(new Map(Object.keys(dict.map).map((key) => [key, dict.plain(key)])))
    const fused = fuseModules(model, [['0', '1']]).stateDict()
    for (const key of ['weight', 'bias'])
      expect(difference(fused.get(`0.${key}`)?.storage ?? [], outputs.tensor(key).data)).toMatchObject({ count: 0 })
  })

  test.each([
    ['conv1d + batch norm + ReLU', [new nn.Conv1d(2, 3, 3), new nn.BatchNorm1d(3), new nn.ReLU()], [2, 2, 7]],
    ['conv2d + ReLU', [new nn.Conv2d(2, 3, 3), new nn.ReLU()], [1, 2, 5, 6]],
    ['conv2d + batch norm + ReLU6', [new nn.Conv2d(2, 3, 3), new nn.BatchNorm2d(3), new nn.ReLU6()], [1, 2, 5, 6]],
    ['conv2d + hardtanh', [new nn.Conv2d(2, 3, 3), new nn.Hardtanh({ min: -0.5, max: 0.25 })], [1, 2, 5, 6]],
    [
      'conv3d + batch norm, grouped and strided',
      [new nn.Conv3d(2, 4, 2, { groups: 2, stride: 2, padding: 1 }), new nn.BatchNorm3d(4)],
      [1, 2, 3, 4, 5],
    ],
    ['linear + batch norm + ReLU', [new nn.Linear(4, 3), new nn.BatchNorm1d(3), new nn.ReLU()], [5, 4]],
    ['linear + ReLU', [new nn.Linear(4, 3), new nn.ReLU()], [5, 4]],
    ['batch norm + ReLU', [new nn.BatchNorm2d(2), new nn.ReLU()], [1, 2, 3, 3]],
  ] as const)('keeps what the model computes: %s', (_, layers, shape) => {
    const model = sequential(...layers)
    const x = noise(shape, 9)
    const before = floatOf(model.forward(x))
    const fused = fuseModules(model, [layers.map((_layer, i) => String(i))])
    const after = floatOf(fused.forward(x))
    expect(after.shape).toEqual(before.shape)
    expect(difference(after.data, before.data).max).toBeLessThan(2e-6)
    expect(fused.namedChildren().map(([, layer]) => layer.typeName)).toEqual([
      expect.stringMatching(/intrinsic|Conv3d/),
      ...layers.slice(1).map(() => 'nn.Identity'),
    ])
  })

  test('leaves the model as it is, and gives the fused layer the first one’s path and qconfig', () => {
    const model = sequential(new nn.Conv2d(1, 1, 1), new nn.ReLU())
    const [conv] = model
    if (conv === undefined) throw new Error('no layer')
    conv.qconfig = null
    const fused = fuseModules(new nn.Sequential(model), [['0.0', '0.1']])
    expect(model.namedChildren().map(([, { typeName }]) => typeName)).toEqual(['nn.Conv2d', 'nn.ReLU'])
    expect(fused.getSubmodule('0.0').qconfig).toBe(null)
    expect(fused.getSubmodule('0.0').modulePath).toBe('0.0')
  })

  test.each([
    ['ReLU before a convolution', [new nn.ReLU(), new nn.Conv2d(1, 1, 1)]],
    ['one layer', [new nn.Conv2d(1, 1, 1)]],
    ['nothing', []],
    ['a batch norm of another rank', [new nn.Conv2d(1, 1, 1), new nn.BatchNorm1d(1)]],
    ['linear and ReLU6', [new nn.Linear(1, 1), new nn.ReLU6()]],
    ['two activations', [new nn.Conv2d(1, 1, 1), new nn.ReLU(), new nn.ReLU()]],
    ['an activation before the batch norm', [new nn.Conv2d(1, 1, 1), new nn.ReLU(), new nn.BatchNorm2d(1)]],
    ['batch norm and ReLU6', [new nn.BatchNorm2d(1), new nn.ReLU6()]],
    ['a sigmoid', [new nn.Conv2d(1, 1, 1), new nn.Sigmoid()]],
  ] as const)('refuses %s and lists what can be fused', (_, layers) => {
    const model = sequential(...layers)
    const call = (): unknown => fuseModules(model, [layers.map((_layer, i) => String(i))])
    expect(call).toThrow(ArgumentError)
    expect(call).toThrow('conv + batch norm')
  })

  test('refuses paths that do not exist, a layer in two groups, and features that do not fit', () => {
    const model = sequential(new nn.Conv2d(1, 2, 1), new nn.ReLU(), new nn.BatchNorm2d(3))
    expect(() => fuseModules(model, [['0', 'relu']])).toThrow('relu')
    expect(() =>
      fuseModules(model, [
        ['0', '1'],
        ['1', '2'],
      ]),
    ).toThrow('two groups')
    expect(() => fuseModules(model, [['0', '2']])).toThrow('3 features')
    const flat: unknown = ['0', '1']
    expect(() => fuseModules(model, flat as string[][])).toThrow('array of groups')
  })

  test('refuses layers without weights', () => {
    const model = new nn.Sequential(new nn.Conv2d(1, 1, 1), new nn.ReLU())
    expect(() => fuseModules(model, [['0', '1']])).toThrow('no weights')
  })
})
