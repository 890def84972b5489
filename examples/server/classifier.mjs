// Classifies images in batches, behind a queue that holds a bounded number of them.
import { InferenceSession, Tensor } from 'int8/onnx'

export const side = 28
const pixels = side * side
const [mean, std] = [0.1307, 0.3081]

/** There is no more room in the queue. */
export class BusyError extends Error {}
/** The classifier has been closed. */
export class ClosedError extends Error {}

export class Classifier {
  #session
  #waiting = []
  #capacity
  #batch
  #running
  #closed = false
  #onBatch

  /** `onBatch(size, seconds)` is called after each run. */
  constructor(session, { capacity, batch, onBatch = () => undefined }) {
    this.#session = session
    this.#capacity = capacity
    this.#batch = batch
    this.#onBatch = onBatch
  }

  /** Loads a model, and runs it once for each size of batch that it will see: later runs plan nothing. */
  static async create(path, options) {
    const session = await InferenceSession.create(path, { maxPlans: options.batch })
    for (let size = 1; size <= options.batch; size++)
      await session.run(feedsOf(Array(size).fill(new Uint8Array(pixels))))
    return new Classifier(session, options)
  }

  /** Images that wait for a run. */
  get waiting() {
    return this.#waiting.length
  }

  /** Probabilities of the ten classes of an image of 784 grey bytes, white on black. */
  classify(image) {
    if (this.#closed) return Promise.reject(new ClosedError('the server is stopping'))
    if (this.#waiting.length >= this.#capacity) return Promise.reject(new BusyError('the queue is full'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ image, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** Takes no more images, answers those that wait, and gives the memory back. */
  async close() {
    this.#closed = true
    await this.#running
    this.#session.dispose()
  }

  /** Runs until nothing waits: what has come in during a run is the next batch. */
  async #drain() {
    // Requests that are read in the same turn of the event loop go into one batch.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#batch)
      const start = performance.now()
      try {
        const { logits } = await this.#session.run(feedsOf(batch.map(({ image }) => image)))
        const classes = logits.data.length / batch.length
        batch.forEach(({ resolve }, i) => resolve(softmax(logits.data.subarray(i * classes, (i + 1) * classes))))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      this.#onBatch(batch.length, (performance.now() - start) / 1000)
    }
    this.#running = undefined
  }
}

function feedsOf(images) {
  const data = new Float32Array(images.length * pixels)
  images.forEach((image, i) => image.forEach((value, p) => (data[i * pixels + p] = (value / 255 - mean) / std)))
  return { input: new Tensor('float32', data, [images.length, 1, side, side]) }
}

function softmax(logits) {
  const largest = Math.max(...logits)
  const powers = Array.from(logits, (value) => Math.exp(value - largest))
  const sum = powers.reduce((total, value) => total + value, 0)
  return powers.map((value) => value / sum)
}
