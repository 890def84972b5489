/**
 * Protects: the default QConfig, on real networks and images. PyTorch's own int8 reaches 30.96 dB on MNIST and 28.1 dB on
 * Fashion-MNIST; fusing ReLU6 as a clip, which it cannot, is worth the difference.
 *
 * Float networks of this size take minutes on the JavaScript backend, so without the addon these tests are skipped.
 */
import { currentBackend } from '../../src/backend/current'
import { convert, diagnose, getDefaultQConfig, prepare } from '../../src/quantization'
import { floatNetwork, logitsOf, readImages } from '../support/fixtures'

function accuracy(values: readonly number[], labels: readonly number[]): number {
  const right = labels.filter((label, i) => {
    const row = values.slice(i * 10, (i + 1) * 10)
    return row.indexOf(Math.max(...row)) === label
  })
  return right.length / labels.length
}

const cases = [
  { network: 'mnist', db: 31, points: 0.003 },
  { network: 'fashion-mnist', db: 28.5, points: 0.005 },
] as const
const withAddon = currentBackend().name === 'native' ? describe : describe.skip

withAddon('the default QConfig', () => {
  test.each(cases)(
    '$network: at least $db dB and the float accuracy to half a point, after 256 calibration images',
    ({ network, db, points }) => {
      const float = floatNetwork(network)
      const prepared = prepare(float, { qconfig: getDefaultQConfig() })
      for (const batch of readImages(network, 'calib256').batches) prepared.forward(batch)
      const quantized = convert(prepared)
      const { batches, labels } = readImages(network, 'test1000')
      const loss = accuracy(logitsOf(float, batches), labels) - accuracy(logitsOf(quantized, batches), labels)
      expect(loss).toBeLessThanOrEqual(points)
      const report = diagnose(prepared, quantized, batches)
      expect(report.outputSqnrDb).toBeGreaterThanOrEqual(db)
      expect(report.advice).toEqual([])
    },
    120000,
  )
})
