// The int8 model: quantized from the float one and saved as a session when it is first needed.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadSafetensorsSync } from 'int8'
import { InferenceSession, quantizeOnnx, Tensor } from 'int8/onnx'

const data = fileURLToPath(new URL('../data/mnist/', import.meta.url))

/** Feeds of labelled digits: what calibrates. */
function* samples() {
  const { data: pixels } = loadSafetensorsSync(`${data}mnist_calib256.safetensors`).tensors.get('images')
  for (let i = 0; i < 256; i += 8) {
    const batch = Float32Array.from(pixels.subarray(784 * i, 784 * (i + 8)), (p) => (p / 255 - 0.1307) / 0.3081)
    yield { input: new Tensor('float32', batch, [8, 1, 28, 28]) }
  }
}

/** Makes sure that there is a saved session at the path. */
export async function ensureModel(path) {
  if (existsSync(path)) return
  const { model } = await quantizeOnnx(`${data}mnist_cnn_fp32.onnx`, { calibration: samples() })
  const session = await InferenceSession.create(model)
  await session.save(path)
  session.dispose()
}
