/** What operators meant before operator set 7. */
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { modelOf } from '../support/onnx-models'

const x = new Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2])
const y = new Tensor('float32', Float32Array.of(3, 2), [2])

test.each([
  ['Add', Float32Array.of(4, 5, 5, 6)],
  ['Pow', Float32Array.of(1, 8, 9, 16)],
  ['Less', Uint8Array.of(1, 1, 0, 0)],
])('%s broadcasts from the axis that its attribute names', (op, wanted) => {
  const session = InferenceSession.createSync(
    modelOf({
      opset: 6,
      inputs: { x: ['float32', [2, 2]], y: ['float32', [2]] },
      outputs: { z: op === 'Less' ? 'bool' : 'float32' },
      nodes: [[op, ['x', 'y'], ['z'], { broadcast: 1, axis: 0 }]],
    }),
  )
  expect(session.runSync({ x, y })['z']?.data).toEqual(wanted)
})
