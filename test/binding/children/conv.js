// A convolution for the binding's tests, 40 x 40 x 64 to 40 x 40 x 64 with a kernel of 3 x 3, by seed: as a sync call, as
// an async call, on the addon that is handed over. It is enough for several threads on any instruction set. Plain
// JavaScript, so that child processes and workers can load it.
'use strict'

const side = 40
const channels = 64
const geometry = Float64Array.of(
  ...[1, 1, channels, channels], // batch, groups, inChannels, outChannels
  ...[1, side, side], // input
  ...[1, side, side], // output
  ...[1, 3, 3], // kernel
  ...[1, 1, 1], // stride
  ...[1, 1, 1], // dilation
  ...[0, 1, 1], // padding
)

function codes(length, seed, from) {
  let state = seed * 7919 + 1
  return from(length, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 16) & 0xff
  })
}

function makeConv(addon) {
  const weights = codes(channels * 9 * channels, 1, (length, next) => Int8Array.from({ length }, () => next() - 128))
  const packed = addon.packQuantized(weights, new Int32Array(channels), Float64Array.of(1, channels, 1, 3, 3, channels))
  const multipliers = new Float32Array(channels).fill(2e-4)
  const op = addon.bindQuantized(packed, new Int32Array(channels), 0, 128, 0, multipliers, null, 128, 0, 255)
  const size = side * side * channels
  const input = (seed) => codes(size, seed, (length, next) => Uint8Array.from({ length }, next))
  return {
    op,
    input,
    geometry,
    size,
    now(seed) {
      const y = new Uint8Array(size)
      addon.qconv(op, input(seed), y, geometry)
      return y
    },
    async later(seed) {
      const y = new Uint8Array(size)
      await addon.qconvAsync(op, input(seed), y, geometry)
      return y
    },
  }
}

module.exports = { makeConv }
