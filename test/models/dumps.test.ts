/**
 * Protects the way from PyTorch's int8 networks: its dumps load by name, and give its own logits. qnnpack rounds the bias
 * to int32, as numerics.md 4 does: its logits come out. onednn keeps the bias float, so codes part by a step here and
 * there, and in the 22 convolutions of the Fashion-MNIST network such steps add up: there it is within three.
 */
import { fromTensors } from '../../src/io/safetensors'
import { convert, getDefaultQConfig, prepare } from '../../src/quantization'
import type { Tensor } from '../../src/tensor/tensor'
import { floatNetwork, logitsOf, networks, readFixture, readImages, type NetworkName } from '../support/fixtures'

const dumps = [
  { network: 'mnist', dump: 'qnnpack_per_channel', steps: 1 },
  { network: 'mnist', dump: 'onednn_default', steps: 1 },
  { network: 'fashion-mnist', dump: 'qnnpack_per_channel', steps: 1 },
  { network: 'fashion-mnist', dump: 'onednn_default', steps: 3 },
] as const

function load(network: NetworkName, dump: string): { readonly logits: number[]; readonly step: number } {
  const { prefix } = networks[network]
  const stateDict = fromTensors(readFixture(network, `${prefix}_int8_${dump}`))
  const prepared = prepare(floatNetwork(network), { qconfig: getDefaultQConfig() })
  const model = convert(prepared, { stateDict })
  const step = (stateDict.get('fc.scale') as Tensor).item()
  return { logits: logitsOf(model, readImages(network, 'test1000', 200).batches), step }
}

test.each(dumps)(
  "PyTorch's int8 $network of $dump gives 99 of 100 logits within $steps of the output's steps",
  ({ network, dump, steps }) => {
    const { logits, step } = load(network, dump)
    const file = readFixture(network, `${networks[network].prefix}_ref_logits200`)
    const wanted = Array.from(file.get(`logits_${dump}`)?.data ?? [], Number)
    expect(logits).toHaveLength(wanted.length)
    const off = logits.map((value, i) => Math.round(Math.abs(value - (wanted[i] ?? NaN)) / step))
    expect(off.filter((codes) => codes <= steps).length / off.length).toBeGreaterThanOrEqual(0.99)
  },
  60000,
)
