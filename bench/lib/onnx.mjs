// Writes the one-node ONNX models that onnxruntime runs as our peer. Only the fields that they need.
import protobuf from 'protobufjs'

const field = (id, type, rule) => ({ id, type, ...(rule && { rule }) })
const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: field(1, 'int64'),
        graph: field(7, 'GraphProto'),
        opsetImport: field(8, 'OperatorSetIdProto', 'repeated'),
      },
    },
    OperatorSetIdProto: { fields: { domain: field(1, 'string'), version: field(2, 'int64') } },
    GraphProto: {
      fields: {
        node: field(1, 'NodeProto', 'repeated'),
        name: field(2, 'string'),
        initializer: field(5, 'TensorProto', 'repeated'),
        input: field(11, 'ValueInfoProto', 'repeated'),
        output: field(12, 'ValueInfoProto', 'repeated'),
      },
    },
    NodeProto: {
      fields: {
        input: field(1, 'string', 'repeated'),
        output: field(2, 'string', 'repeated'),
        name: field(3, 'string'),
        opType: field(4, 'string'),
        attribute: field(5, 'AttributeProto', 'repeated'),
        domain: field(7, 'string'),
      },
    },
    AttributeProto: {
      fields: {
        name: field(1, 'string'),
        i: field(3, 'int64'),
        f: field(2, 'float'),
        ints: field(8, 'int64', 'repeated'),
        type: field(20, 'int32'),
      },
    },
    TensorProto: {
      fields: {
        dims: field(1, 'int64', 'repeated'),
        dataType: field(2, 'int32'),
        name: field(8, 'string'),
        rawData: field(9, 'bytes'),
      },
    },
    ValueInfoProto: { fields: { name: field(1, 'string'), type: field(2, 'TypeProto') } },
    TypeProto: { fields: { tensorType: field(1, 'TypeProtoTensor') } },
    TypeProtoTensor: { fields: { elemType: field(1, 'int32'), shape: field(2, 'TensorShapeProto') } },
    TensorShapeProto: { fields: { dim: field(1, 'Dimension', 'repeated') } },
    Dimension: { fields: { dimValue: field(1, 'int64'), dimParam: field(2, 'string') } },
  },
})

const types = { float32: 1, uint8: 2, int8: 3, int32: 6 }

export const initializer = (name, type, dims, array) => ({
  name,
  dataType: types[type],
  dims,
  rawData: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
})
export const value = (name, type, dims) => ({
  name,
  type: {
    tensorType: {
      elemType: types[type],
      shape: { dim: dims.map((dim) => (typeof dim === 'string' ? { dimParam: dim } : { dimValue: dim })) },
    },
  },
})
export const int = (name, i) => ({ name, i, type: 2 })
export const ints = (name, list) => ({ name, ints: list, type: 7 })

function encode(node, initializers, input, output) {
  return encodeGraph([node], initializers, input, output)
}

/** The bytes of a model of ONNX's operator set 17. */
export function encodeGraph(nodes, initializers, input, output) {
  const Model = root.lookupType('ModelProto')
  return Model.encode({
    irVersion: 8,
    opsetImport: [
      { domain: '', version: 17 },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: { name: 'layer', node: nodes, initializer: initializers, input: [input], output: [output] },
  }).finish()
}

/** A quantized convolution in channels-last layout (u8 x s8, per channel). */
export function qlinearConv({ layer, out, codes, scales, bias, params }) {
  const { ci, co, k, s, hw, g } = layer
  const pad = (k - 1) >> 1
  return encode(
    {
      name: 'layer',
      opType: 'QLinearConv',
      domain: 'com.microsoft',
      input: ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz', 'b'],
      output: ['y'],
      attribute: [
        int('channels_last', 1),
        int('group', g),
        ints('kernel_shape', [k, k]),
        ints('strides', [s, s]),
        ints('pads', [pad, pad, pad, pad]),
        ints('dilations', [1, 1]),
      ],
    },
    [
      initializer('xs', 'float32', [], Float32Array.of(params.xScale)),
      initializer('xz', 'uint8', [], Uint8Array.of(params.xZeroPoint)),
      initializer('w', 'int8', [co, ci / g, k, k], codes),
      initializer('ws', 'float32', [co], scales),
      initializer('wz', 'int8', [co], new Int8Array(co)),
      initializer('ys', 'float32', [], Float32Array.of(params.yScale)),
      initializer('yz', 'uint8', [], Uint8Array.of(params.yZeroPoint)),
      initializer('b', 'int32', [co], bias),
    ],
    value('x', 'uint8', [1, hw, hw, ci]),
    value('y', 'uint8', [1, out, out, co]),
  )
}

/** A quantized matrix product with constant weights [K, N] (u8 x s8, per column). */
export function qlinearMatMul({ layer, codes, scales, params }) {
  const { M, K, N } = layer
  return encode(
    {
      name: 'layer',
      opType: 'QLinearMatMul',
      domain: '',
      input: ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz'],
      output: ['y'],
      attribute: [],
    },
    [
      initializer('xs', 'float32', [], Float32Array.of(params.xScale)),
      initializer('xz', 'uint8', [], Uint8Array.of(params.xZeroPoint)),
      initializer('w', 'int8', [K, N], codes),
      initializer('ws', 'float32', [N], scales),
      initializer('wz', 'int8', [N], new Int8Array(N)),
      initializer('ys', 'float32', [], Float32Array.of(params.yScale)),
      initializer('yz', 'uint8', [], Uint8Array.of(params.yZeroPoint)),
    ],
    value('x', 'uint8', [M, K]),
    value('y', 'uint8', [M, N]),
  )
}

/** A float32 convolution. */
export function conv({ layer, out, weights, bias }) {
  const { ci, co, k, s, hw, g } = layer
  const pad = (k - 1) >> 1
  return encode(
    {
      name: 'layer',
      opType: 'Conv',
      domain: '',
      input: ['x', 'w', 'b'],
      output: ['y'],
      attribute: [
        int('group', g),
        ints('kernel_shape', [k, k]),
        ints('strides', [s, s]),
        ints('pads', [pad, pad, pad, pad]),
        ints('dilations', [1, 1]),
      ],
    },
    [initializer('w', 'float32', [co, ci / g, k, k], weights), initializer('b', 'float32', [co], bias)],
    value('x', 'float32', [1, ci, hw, hw]),
    value('y', 'float32', [1, co, out, out]),
  )
}

/** A float32 matrix product with constant weights [K, N]. */
export function matMul({ layer, weights }) {
  const { M, K, N } = layer
  return encode(
    { name: 'layer', opType: 'MatMul', domain: '', input: ['x', 'w'], output: ['y'], attribute: [] },
    [initializer('w', 'float32', [K, N], weights)],
    value('x', 'float32', [M, K]),
    value('y', 'float32', [M, N]),
  )
}
