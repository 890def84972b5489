/** Operators that move elements, or take the largest, work on codes as they do on floats. */
import type { GraphNode } from '../../graph'
import { clipAttributes, nodeLike, ownNode, type Rewriter } from '../rewrite'
import { activation, three, type Dequantized } from './quantized'
import type { Island } from '.'

/** Operators whose first input is moved; the others are parameters. */
const movers: ReadonlySet<string> = new Set([
  'MaxPool',
  'GlobalMaxPool',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Slice',
  'Gather',
  'Expand',
  'Tile',
  'Identity',
  'Dropout',
  'DepthToSpace',
  'SpaceToDepth',
])

/** `Q(move(DQ(x)))`: the codes are moved, then brought to the result's parameters where these are others. */
export function movementIsland({ rewriter, quantizer, target, node, clip }: Island): readonly GraphNode[] | undefined {
  const [input, ...given] = node.inputs
  const x = activation(rewriter, input)
  if (x === undefined || node.outputs.length !== 1) return undefined
  const parameters = node.op === 'Pad' ? padParameters(rewriter, node, x) : given
  if (parameters === undefined) return undefined
  const moves =
    movers.has(node.op) ||
    node.op === 'Pad' ||
    (node.op === 'Resize' && node.attributes.string('mode', 'nearest') === 'nearest')
  if (!moves) return undefined
  const [output = ''] = quantizer.outputs
  const moved = rewriter.freshName(output)
  return [
    nodeLike(node, { inputs: [x.codes, ...parameters], outputs: [moved] }),
    ownNode(
      quantizer,
      'Requantize',
      [moved, x.scale, x.zeroPoint, target.scale, target.zeroPoint],
      [output],
      clipAttributes(clip),
    ),
  ]
}

/** The inputs of a Pad behind its first, for codes: zeros become the zero point. Other constants are left to floats. */
function padParameters(rewriter: Rewriter, node: GraphNode, x: Dequantized): readonly string[] | undefined {
  const [, pads = '', valueName = '', axes = ''] = node.inputs
  if (node.attributes.string('mode', 'constant') !== 'constant') return [pads, valueName, axes]
  const value = valueName === '' ? node.attributes.float('value', 0) : rewriter.scalar(valueName)
  if (value !== 0 || node.attributes.has('value')) return undefined
  const zero = rewriter.constant(x.zeroPoint)
  return [pads, zero === undefined ? '' : x.zeroPoint, axes]
}

/** `Q(Concat(DQ(x), DQ(y), …))` */
export function concatIsland({ rewriter, quantizer, target, node, clip }: Island): readonly GraphNode[] | undefined {
  if (clip.lo !== -Infinity || clip.hi !== Infinity) return undefined
  const parts = node.inputs.map((name) => activation(rewriter, name))
  const given = parts.flatMap((part) => (part?.type === target.type ? [part] : []))
  if (given.length !== node.inputs.length) return undefined
  return [
    ownNode(
      node,
      'QLinearConcat',
      [target.scale, target.zeroPoint, ...given.flatMap(three)],
      quantizer.outputs,
      Object.fromEntries(node.attributes.entries()),
    ),
  ]
}
