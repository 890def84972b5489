/**
 * Protects: the default QConfig, on real networks and images. PyTorch's own int8 reaches 30.96 dB on MNIST and 28.1 dB on
 * Fashion-MNIST; fusing ReLU6 as a clip, which it cannot, is worth the difference.
 *
 * Float networks of this size take minutes on the JavaScript backend, so without the addon these tests are skipped.
 */
import { join } from 'node:path'
import { currentBackend } from '../../src/backend/current'
import { loadSafetensorsSync } from '../../src/io/safetensors'
import type * as nn from '../../src/nn'
import { convert, diagnose, fuseModules, getDefaultQConfig, prepare } from '../../src/quantization'
import { tensor, type Tensor } from '../../src/tensor/tensor'
import { FashionMobileNet, MnistCNN } from '../support/networks'

const { fround } = Math
const batchSize = 50

function file(network: string, name: string): ReturnType<typeof loadSafetensorsSync>['tensors'] {
  return loadSafetensorsSync(join(__dirname, '../../examples/data', network, `${name}.safetensors`)).tensors
}

function images(network: string, name: string, mean: number, std: number): { batches: Tensor[]; labels: number[] } {
  const tensors = file(network, name)
  const bytes = tensors.get('images')?.data ?? []
  const input = Float32Array.from(bytes as ArrayLike<number>, (byte) =>
    fround(fround(fround(byte / 255) - fround(mean)) / fround(std)),
  )
  const size = batchSize * 28 * 28
  const batches = Array.from({ length: Math.ceil(input.length / size) }, (_, i) => {
    const part = input.subarray(i * size, (i + 1) * size)
    return tensor(part, [part.length / 784, 1, 28, 28])
  })
  return { batches, labels: Array.from(tensors.get('labels')?.data ?? [], Number) }
}

function logits(model: nn.Module, batches: readonly Tensor[]): number[] {
  return batches.flatMap((batch) => [...model.forward(batch).data])
}

function accuracy(values: readonly number[], labels: readonly number[]): number {
  const right = labels.filter((label, i) => {
    const row = values.slice(i * 10, (i + 1) * 10)
    return row.indexOf(Math.max(...row)) === label
  })
  return right.length / labels.length
}

const cases = [
  { network: 'mnist', make: MnistCNN, prefix: 'mnist', weights: 'mnist_cnn_fp32', mean: 0.1307, std: 0.3081, db: 31 },
  {
    network: 'fashion-mnist',
    make: FashionMobileNet,
    prefix: 'fashion',
    weights: 'fashion_mbv2_fp32',
    mean: 0.286,
    std: 0.353,
    db: 28.5,
  },
] as const
const points = { mnist: 0.003, 'fashion-mnist': 0.005 } as const
const withAddon = currentBackend().name === 'native' ? describe : describe.skip

withAddon('the default QConfig', () => {
  test.each(cases)(
    '$network: at least $db dB and the float accuracy to half a point, after 256 calibration images',
    ({ network, make: Network, prefix, weights, mean, std, db }) => {
      const model: nn.Module = new Network()
      model.loadStateDict(file(network, weights))
      const float = fuseModules(model, Network.fuse)
      const prepared = prepare(float, { qconfig: getDefaultQConfig() })
      for (const batch of images(network, `${prefix}_calib256`, mean, std).batches) prepared.forward(batch)
      const quantized = convert(prepared)
      const { batches, labels } = images(network, `${prefix}_test1000`, mean, std)
      const loss = accuracy(logits(float, batches), labels) - accuracy(logits(quantized, batches), labels)
      expect(loss).toBeLessThanOrEqual(points[network])
      const report = diagnose(prepared, quantized, batches)
      expect(report.outputSqnrDb).toBeGreaterThanOrEqual(db)
      expect(report.advice).toEqual([])
    },
    120000,
  )
})
