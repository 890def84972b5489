/** Averages of 8-bit codes (numerics.md 6). */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { checkAverage } from '../../ops/quantized/average'
import { averageRatio } from '../../ops/quantized/params'
import { channelsAsLastAxis, channelsLast, contiguous, lastAxisAsChannels } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, type Value } from '../../runtime/value'
import { codeRange } from '../../tensor/dtype'
import { largestWindow, planPool } from './pool'
import type { Inputs, Operators } from './operator'
import { targetOf, typeOfTarget } from './qlinear'
import { needCodes, needPerTensor } from './qparams'

/** Inputs: X, X_scale, X_zero_point, Y_scale, Y_zero_point. `channels_last`: X is `[N, space…, C]`, and so is the result. */
function averagePool(global: boolean) {
  return function* (node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
    const given = needCodes(node, inputs, 0, 'X')
    const from = needPerTensor(node, inputs, 1, 2)
    const target = targetOf(node, inputs, 3, 4)
    const last = node.attributes.int('channels_last', 0) !== 0
    const x = last ? lastAxisAsChannels(yield* contiguous(given)) : given
    const { shape, windows, divisors } = planPool(node, x.dims, global)
    checkAverage(node.op, largestWindow(windows))
    const counts = divisors(node.attributes.int('count_include_pad', 0) !== 0)
    const multipliers = node.memo('multipliers', [x.dims.join(), from.scale, target.scale], () =>
      counts.map((count) => averageRatio(node.op, from.scale, target.scale, count)),
    )
    const [lo, hi] = codeRange[target.dtype]
    const type = typeOfTarget(target)
    const y = allocateFor(type, shape)
    if (y.length > 0)
      yield step('qavgPool', {
        x: (yield* channelsLast(x)).data,
        y,
        windows,
        xZeroPoint: from.zeroPoint,
        yZeroPoint: target.zeroPoint,
        multipliers,
        lo,
        hi,
      })
    const result = computed(type, shape, y as never, 'channelsLast') as Value
    return [last ? channelsAsLastAxis(result) : result]
  }
}

/** Of com.microsoft, and what QDQ islands become. */
export const quantizedPools: Operators = {
  QLinearAveragePool: averagePool(false),
  QLinearGlobalAveragePool: averagePool(true),
}
