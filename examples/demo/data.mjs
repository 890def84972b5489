// Weights and images of the demo's two networks, read from examples/data.
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { loadSafetensorsSync, tensor } from 'int8'
import { FashionMobileNet, MnistCNN } from './models.mjs'

const dataDir = join(fileURLToPath(import.meta.url), '../../data')

/** What belongs to each network. */
export const networks = {
  mnist: { Network: MnistCNN, prefix: 'mnist', weights: 'mnist_cnn_fp32', mean: 0.1307, std: 0.3081 },
  'fashion-mnist': {
    Network: FashionMobileNet,
    prefix: 'fashion',
    weights: 'fashion_mbv2_fp32',
    mean: 0.286,
    std: 0.353,
  },
}

const read = (network, file) => loadSafetensorsSync(join(dataDir, network, `${file}.safetensors`)).tensors

/** PyTorch's float state dict. */
export const floatWeights = (name) => read(name, networks[name].weights)

const f = Math.fround

/** Images as their normalised input, [N, 1, 28, 28], in the float32 steps that PyTorch takes; labels where there are. */
function images(name, set) {
  const { prefix, mean, std } = networks[name]
  const file = read(name, `${prefix}_${set}`)
  const bytes = file.get('images')
  const input = Float32Array.from(bytes.data, (byte) => f(f(f(byte / 255) - f(mean)) / f(std)))
  return { input, count: bytes.shape[0], labels: file.get('labels')?.data }
}

/** The images in batches of `size`, as tensors. */
export function batches({ input, count }, size) {
  const pixels = input.length / count
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => {
    const part = input.subarray(i * size * pixels, Math.min((i + 1) * size, count) * pixels)
    return tensor(part, [part.length / pixels, 1, 28, 28])
  })
}

export const calibrationImages = (name) => images(name, 'calib256')
export const testImages = (name) => images(name, 'test1000')
