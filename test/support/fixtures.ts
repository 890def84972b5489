/** The networks and images of examples/data, as tests use them. */
import { join } from 'node:path'
import { loadSafetensorsSync } from '../../src/io/safetensors'
import type * as nn from '../../src/nn'
import { fuseModules } from '../../src/quantization'
import { tensor, type Tensor } from '../../src/tensor/tensor'
import type { DType } from '../../src/tensor/dtype'
import { FashionMobileNet, MnistCNN } from './networks'

const { fround } = Math
const batchSize = 50

/** What belongs to each network. */
export const networks = {
  mnist: { make: MnistCNN, prefix: 'mnist', weights: 'mnist_cnn_fp32', mean: 0.1307, std: 0.3081 },
  'fashion-mnist': { make: FashionMobileNet, prefix: 'fashion', weights: 'fashion_mbv2_fp32', mean: 0.286, std: 0.353 },
} as const

/** A network's name. */
export type NetworkName = keyof typeof networks

/** The tensors of a file of examples/data. */
export function readFixture(network: NetworkName, name: string): Map<string, Tensor<DType>> {
  return loadSafetensorsSync(join(__dirname, '../../examples/data', network, `${name}.safetensors`)).tensors
}

/** The float network with PyTorch's weights, fused. */
export function floatNetwork(name: NetworkName): nn.Module {
  const { make: Network, weights } = networks[name]
  const model: nn.Module = new Network()
  model.loadStateDict(readFixture(name, weights))
  return fuseModules(model, Network.fuse)
}

/** Images as normalised batches, in the float32 steps that PyTorch takes, with their labels. */
export function readImages(
  network: NetworkName,
  set: 'calib256' | 'test1000',
  count = Infinity,
): { readonly batches: Tensor[]; readonly labels: number[] } {
  const { prefix, mean, std } = networks[network]
  const tensors = readFixture(network, `${prefix}_${set}`)
  const bytes = (tensors.get('images')?.data ?? new Uint8Array()) as Uint8Array
  const input = Float32Array.from(bytes.subarray(0, Math.min(bytes.length, count * 784)), (byte) =>
    fround(fround(fround(byte / 255) - fround(mean)) / fround(std)),
  )
  const size = batchSize * 784
  const batches = Array.from({ length: Math.ceil(input.length / size) }, (_, i) => {
    const part = input.subarray(i * size, (i + 1) * size)
    return tensor(part, [part.length / 784, 1, 28, 28])
  })
  return { batches, labels: Array.from(tensors.get('labels')?.data ?? [], Number) }
}

/** The logits of all batches, row after row. */
export function logitsOf(model: nn.Module, batches: readonly Tensor[]): number[] {
  return batches.flatMap((batch) => [...model.forward(batch).data])
}
