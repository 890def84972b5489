/**
 * Protects the answer to the forum thread: the program runs on the built package, and says of each fault what the library
 * really does. The page with the same content has its snippets run by test/docs/snippets.test.ts; here its figures are
 * compared with the program's.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')

describe.each(['native', 'js'])('examples/forum-thread on the %s backend', (backend) => {
  const output = execFileSync(process.execPath, ['examples/forum-thread/main.mjs'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, INT8_BACKEND: backend },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const sections = output.split(/\n(?=.*\n-{5,}\n)/)
  /** The section of a heading that begins so. */
  const part = (heading: string): string => sections.find((section) => section.startsWith(heading))?.trimEnd() ?? ''

  test('gives the float result in two ways', () => {
    expect(part('The float result')).toMatch(/conv2d +803\.6908\n.*fold +803\.6908/)
  })

  test('cannot assign a weight past the packed parameters, nor run without one', () => {
    const text = part('Fault 1')
    expect(text).toContain(
      'ArgumentError: nn.quantized.Conv2d: weight cannot be assigned: the layer computes with packed weights, which an assignment would not reach. Use setWeightBias(weight, bias), or make the layer by fromFloat.',
    )
    expect(text).toContain('ArgumentError: nn.quantized.Conv2d: this layer has no weights yet.')
    expect(text).toMatch(/setWeightBias reaches it: 80[34]\./)
  })

  test('refuses the fractional zero point, and warns of the weights that -14 clips', () => {
    const text = part('Fault 2')
    expect(text).toContain(
      'QParamsError: quantizePerTensor: zeroPoint must be a whole number from -128 to 127 (qint8), but got -14.11',
    )
    expect(text).toContain('2.98 0.99 6.02 9.99 9.99 9.99 9.99 9.99 8.01')
    expect(text).toContain(
      "INT8_WEIGHTS_CLIPPED: quantized.conv2dPrepack: 5 of 9 weights have the code 127, an end of qint8's range",
    )
    expect(text).toContain('the result is 564.16, not 803.69')
  })

  test('has no output scale until one is set, and tells the least that would do', () => {
    const text = part('Fault 3')
    expect(text).toContain("NotCalibratedError: nn.quantized.Conv2d: the output's scale is not set.")
    expect(text).toContain('the result ends at 255')
    expect(text).toMatch(/OUTPUT_SATURATED: the value is 803\.6879.*needs a scale of at least 3\.151717/)
  })

  test('comes within 0.5 % of the float result by observers and by fromFloat', () => {
    const text = part('The right way')
    const results = Array.from(text.matchAll(/(?:convert|layer): +([\d.]+)/g), ([, value]) => Number(value))
    expect(results).toHaveLength(2)
    for (const result of results) expect(Math.abs(result / 803.6908 - 1)).toBeLessThan(0.005)
  })

  test('shows what prepack returns and the arithmetic', () => {
    const text = part('What prepack returns')
    expect(text).toContain('an opaque PackedConv: weight qint8 [1,1,3,3], bias [1]')
    expect(text).toMatch(/sum of products +Σ x\*w +72410/)
    expect(text).toMatch(/accumulator .* 72382 +stands for 803\.6879/)
    expect(text).toMatch(/no faults found$/)
  })
})

test('the page shows the drawing, and the drawing the numbers of the computation', () => {
  const page = readFileSync(join(root, 'docs/why-is-my-quantized-conv-zero.md'), 'utf8')
  const drawing = readFileSync(join(root, 'docs/quantized-convolution.svg'), 'utf8')
  expect(page).toContain('](quantized-convolution.svg)')
  for (const number of ['72410', '72382', '254.999', '0.003523', '3.1517', '803.691']) expect(drawing).toContain(number)
})

test('the page prints the explanation that its snippet gives', () => {
  const page = readFileSync(join(root, 'docs/why-is-my-quantized-conv-zero.md'), 'utf8')
  const [, code = '', text = ''] = /```js\n([^`]*)```\n\n```text\n([^`]*)```/.exec(page) ?? []
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  expect(text).toMatch(/^quantized conv2d, output element/)
  expect(printed.endsWith(text)).toBe(true)
})
