// The figures of the demo: times, accuracy, signal-to-noise, identity of bytes.
import { performance } from 'node:perf_hooks'
import { classes } from './models.mjs'

/** Runs the model over the batches; the logits of all images, one after the other. */
export function logitsOf(model, inputs) {
  const parts = inputs.map((batch) => model.forward(batch).data)
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}

/** Medians of the milliseconds per image of several models, their runs interleaved so that all see the same machine. */
export function timePerImage(models, inputs, images, rounds) {
  const times = models.map(() => [])
  for (let round = 0; round <= rounds; round++)
    for (const [i, model] of models.entries()) {
      const start = performance.now()
      for (const batch of inputs) model.forward(batch)
      if (round > 0) times[i].push((performance.now() - start) / images)
    }
  return times.map((list) => list.sort((a, b) => a - b)[list.length >> 1])
}

/** Share of images whose largest logit is the label's. */
export function accuracy(logits, labels) {
  return agreement(classOf(logits, labels.length), labels)
}

/** Share of places where two lists of classes are equal. */
export function agreement(a, b) {
  let same = 0
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++
  return same / a.length
}

/** Classes of flat logits. */
export function classOf(logits, images) {
  return classes({ shape: [images, logits.length / images], data: logits })
}

/** Signal-to-quantization-noise ratio in dB: 10 log10(sum reference^2 / sum (logits - reference)^2). */
export function sqnr(reference, logits) {
  let signal = 0
  let noise = 0
  for (let i = 0; i < reference.length; i++) {
    signal += reference[i] ** 2
    noise += (logits[i] - reference[i]) ** 2
  }
  return 10 * Math.log10(signal / noise)
}

/** Whether two arrays hold the same bytes. */
export function sameBytes(a, b) {
  return (
    Buffer.compare(
      Buffer.from(a.buffer, a.byteOffset, a.byteLength),
      Buffer.from(b.buffer, b.byteOffset, b.byteLength),
    ) === 0
  )
}

/** Bytes of the weight tensors of conv and linear layers: float values, or codes. Scales and biases count in the file. */
export function weightBytes(stateDict) {
  let bytes = 0
  for (const [key, value] of stateDict) if (key.endsWith('weight') && value.rank > 1) bytes += value.storage.byteLength
  return bytes
}
