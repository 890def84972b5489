/** The weights of transposed convolutions in the order of a convolution's: output channels first. */

/** A weight `[groups * inPerGroup, outPerGroup, taps]`. */
export interface TransposedSizes {
  readonly groups: number
  readonly inPerGroup: number
  readonly outPerGroup: number
  readonly taps: number
}

interface Numbers {
  readonly length: number
  [index: number]: number
}

/** Copies `[groups, inPerGroup, outPerGroup, taps]` to `[groups, outPerGroup, taps, inPerGroup]`, as kernels read it. */
export function toKernelOrder<A extends Numbers>(from: A, to: A, sizes: TransposedSizes): A {
  eachPlace(sizes, (given, kernel) => {
    to[kernel] = from[given] ?? 0
  })
  return to
}

/** The way back. */
export function fromKernelOrder<A extends Numbers>(from: A, to: A, sizes: TransposedSizes): A {
  eachPlace(sizes, (given, kernel) => {
    to[given] = from[kernel] ?? 0
  })
  return to
}

function eachPlace(
  { groups, inPerGroup, outPerGroup, taps }: TransposedSizes,
  visit: (given: number, kernel: number) => void,
): void {
  let given = 0
  for (let g = 0; g < groups; g++)
    for (let i = 0; i < inPerGroup; i++)
      for (let o = 0; o < outPerGroup; o++)
        for (let t = 0; t < taps; t++) visit(given++, ((g * outPerGroup + o) * taps + t) * inPerGroup + i)
}
