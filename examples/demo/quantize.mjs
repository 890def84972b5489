// The main job in a dozen lines: float weights in, int8 network out; and back from a file.
import { fromTensors, loadSafetensorsSync, quantization, saveSafetensorsSync, toTensors } from 'int8'
import { networks, floatWeights } from './data.mjs'
import { fusedFloat } from './models.mjs'

/** Float network of that name with PyTorch's weights, fused. */
export const loadFloat = (name) => fusedFloat(networks[name].Network, floatWeights(name))

/** Calibrates on the batches and converts; `progress(done)` is called after each batch. */
export function quantize(float, calibration, progress) {
  const prepared = quantization.prepare(float, { qconfig: quantization.getDefaultQConfig() })
  let seen = 0
  for (const batch of calibration) {
    prepared.forward(batch)
    progress((seen += batch.shape[0]))
  }
  return quantization.convert(prepared)
}

/** Saves an int8 network as safetensors. */
export const saveInt8 = (model, path) => saveSafetensorsSync(path, toTensors(model.stateDict()))

/** Builds the int8 network of that name from a file: no calibration, the scales are in it. */
export function loadInt8(name, path) {
  const stateDict = fromTensors(loadSafetensorsSync(path).tensors)
  const prepared = quantization.prepare(loadFloat(name), { qconfig: quantization.getDefaultQConfig() })
  return quantization.convert(prepared, { stateDict })
}
