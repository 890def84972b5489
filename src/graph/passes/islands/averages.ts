/** Averages and softmax of codes. */
import type { GraphNode } from '../../graph'
import { ownNode } from '../rewrite'
import { activation, three } from './quantized'
import type { Island } from '.'

/** `Q(AveragePool(DQ(x)))`, also global ones, and a ReduceMean over spatial axes that are kept with size 1. */
export function averageIsland({ rewriter, quantizer, target, node, clip }: Island): readonly GraphNode[] | undefined {
  const x = activation(rewriter, node.inputs[0])
  if (x === undefined || clip.lo !== -Infinity || clip.hi !== Infinity) return undefined
  const inputs = [...three(x), target.scale, target.zeroPoint]
  if (node.op === 'ReduceMean') {
    const axes = node.attributes.ints('axes') ?? integers(rewriter.constant(node.inputs[1])?.data)
    // Negative axes could be any of a tensor whose rank is not known here: only plain ones say what they mean.
    if (axes?.slice().sort().join() !== '2,3' || node.attributes.int('keepdims', 1) !== 1) return undefined
    return [
      ownNode(node, 'QLinearGlobalAveragePool', inputs, quantizer.outputs, { axes: { kind: 'ints', value: [2, 3] } }),
    ]
  }
  const op = node.op === 'AveragePool' ? 'QLinearAveragePool' : 'QLinearGlobalAveragePool'
  return [ownNode(node, op, inputs, quantizer.outputs, Object.fromEntries(node.attributes.entries()))]
}

function integers(data: ArrayLike<unknown> | undefined): number[] | undefined {
  return data === undefined ? undefined : Array.from(data, Number)
}

/** `Q(Softmax(DQ(x)))` */
export function softmaxIsland({ rewriter, quantizer, target, node, clip }: Island): readonly GraphNode[] | undefined {
  const x = activation(rewriter, node.inputs[0])
  if (x === undefined || clip.lo !== -Infinity || clip.hi !== Infinity) return undefined
  const axis = node.attributes.int('axis', node.opset < 13 ? 1 : -1)
  return [
    ownNode(node, 'QLinearSoftmax', [...three(x), target.scale, target.zeroPoint], quantizer.outputs, {
      axis: { kind: 'int', value: axis },
      opset: { kind: 'int', value: node.opset },
    }),
  ]
}
