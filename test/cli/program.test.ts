/** The program `int8`, as it is installed. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSafetensorsSync } from '../../src/io/safetensors'
import { InferenceSession } from '../../src/runtime/session'
import { known } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'
import { npyOf } from '../support/npy'

const root = join(__dirname, '../..')
const program = join(root, 'dist/cli/main.js')
const data = join(root, 'examples/data/mnist')
const float = join(data, 'mnist_cnn_fp32.onnx')
const calibration = join(data, 'mnist_calib256.safetensors')
const pixels = ['--tensor', 'input=images', '--mean', '0.1307', '--std', '0.3081']

const folder = mkdtempSync(join(tmpdir(), 'int8-program-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function int8(...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
  })
  return { code: status, out: stdout, err: stderr }
}

describe('quantize', () => {
  const quantized = join(folder, 'mnist.int8.onnx')
  const ended: Ended[] = []
  beforeAll(() => {
    ended.push(
      int8(
        ...['quantize', float, '--calibration', calibration, ...pixels, '--samples', '64', '--out', quantized],
        ...['--report', 'report.html', '--digest'],
      ),
    )
  }, 120_000)

  test('writes a smaller model, and prints sizes, times, figures and the worst layers', () => {
    expect(ended[0]).toMatchObject({ code: 0, err: '' })
    const out = ended[0]?.out ?? ''
    expect(out).toContain('17 of 17 nodes in int8, calibrated on 58 samples')
    expect(out).toMatch(/size +329\.7 kB +\d+\.\d kB +3\.\d+ times smaller/)
    expect(out).toMatch(/time .* times as fast/)
    expect(out).toContain('on 6 held-out samples')
    expect(out).toMatch(/logits +\d\d\.\d dB/)
    expect(out).toMatch(/worst layers\n\d+\.\d dB {2}/)
    expect(readFileSync(quantized).length).toBeLessThan(110_000)
  })

  test('writes a report that is one file, with a plot of noise and one of ranges', () => {
    const html = readFileSync(join(folder, 'report.html'), 'utf8')
    expect(html.match(/<svg /g)).toHaveLength(2)
    expect(html).toContain('/res/conv1/conv1.0/Conv')
    expect(html).not.toMatch(/(src|href)=|@import|url\(/)
  })

  test('writes a digest that verify finds to hold on every instruction set, and on the JavaScript backend', () => {
    expect(existsSync(`${quantized}.digest.json`)).toBe(true)
    const { code, out } = int8('verify', quantized, '--js')
    expect(out).not.toContain('differs')
    expect(out).toMatch(/^js +1 +same$/m)
    expect(code).toBe(0)
  })

  test('verify takes a saved session too', async () => {
    const saved = join(folder, 'mnist.int8')
    const session = await InferenceSession.create(quantized)
    await session.save(saved)
    session.dispose()
    expect(int8('verify', saved, '--write').code).toBe(0)
    expect(int8('verify', saved)).toMatchObject({ code: 0, err: '' })
  })

  test('verify finds a digest of other outputs, and one of another file', () => {
    const file = join(folder, 'other.json')
    const digest = JSON.parse(readFileSync(`${quantized}.digest.json`, 'utf8')) as Record<string, unknown>
    writeFileSync(file, JSON.stringify({ ...digest, outputs: { logits: '00' } }))
    expect(int8('verify', quantized, '--digest', file)).toMatchObject({ code: 1 })
    expect(int8('verify', quantized, '--digest', file).out).toContain('differs: logits')
    writeFileSync(file, JSON.stringify({ ...digest, model: '00' }))
    expect(int8('verify', quantized, '--digest', file).out).toContain('was made of another model file')
    writeFileSync(file, '{"format": 7}')
    expect(int8('verify', quantized, '--digest', file).err).toContain('is no digest file of this program')
  })

  test('run gives the outputs that a session gives, one row for each sample', async () => {
    const { code, out } = int8(
      'run',
      quantized,
      '--input',
      calibration,
      ...pixels,
      '--samples',
      '5',
      '--out',
      'y.safetensors',
    )
    expect([code, out]).toEqual([0, 'y.safetensors: 5 samples\n'])
    const logits = loadSafetensorsSync(join(folder, 'y.safetensors')).tensors.get('logits')
    expect(logits?.shape).toEqual([5, 10])
    const session = await InferenceSession.create(quantized)
    const images = loadSafetensorsSync(calibration).tensors.get('images')?.data as Uint8Array
    const input = Float32Array.from(images.subarray(0, 5 * 784), (v) => (v / 255 - 0.1307) / 0.3081)
    const { logits: expected } = session.runSync({ input: { type: 'float32', data: input, dims: [5, 1, 28, 28] } })
    expect(logits?.data).toEqual(expected?.data)
    session.dispose()
  })

  test('run prints the largest classes', () => {
    const { out } = int8('run', quantized, '--input', calibration, ...pixels, '--samples', '2', '--top', '3')
    expect(out).toMatch(/^0 logits: float32 \[1, 10\]( \d=-?[\d.]+){3}\n1 logits: .*\n$/)
  })

  test('bench times models side by side, and names the slowest steps', () => {
    const { code, out } = int8('bench', quantized, float, '--seconds', '0.2', '--threads', '1', '--steps', '2')
    expect(code).toBe(0)
    expect(out).toMatch(/backend, \S+, 1 threads\nmodel +median +10 % +90 % +best +speed +runs +load\n/)
    expect(out.match(/slowest steps\n.*\n.*\n/g)).toHaveLength(2)
  })

  test('inspect shows types, ranges and the plan', () => {
    const { out } = int8('inspect', quantized, '--ranges', '--plan', '--nodes')
    expect(out).toMatch(/^input +input: float32 \[n, 1, 28, 28\]$/m)
    expect(out).toMatch(/^weights +int8 .*float32/m)
    expect(out).toMatch(/^value +type +from +to +scale +zero point$/m)
    expect(out).toMatch(/qconv +int8\.QLinearConv/)
    expect(out).toMatch(/^DequantizeLinear .* -> /m)
  })
})

test('a target that is missed keeps the worst nodes in float, and the search is printed', () => {
  const { code, out } = int8(
    ...[
      'quantize',
      join(data, '../fashion-mnist/fashion_mbv2_fp32.onnx'),
      '--method',
      'minmax',
      '--out',
      'target.onnx',
    ],
    ...['--calibration', join(data, '../fashion-mnist/fashion_calib256.safetensors'), '--tensor', 'input=images'],
    ...['--target-drop', '0', '--metric', 'accuracy', '--report', 'target.html'],
    ...['--labels', join(data, '../fashion-mnist/fashion_calib256.safetensors')],
  )
  expect(code).toBe(0)
  expect(out).toMatch(/nodes in float +metric +drop\n +0 +\d+\.\d\d +-?\d+\.\d\d/)
}, 120_000)

test('the dynamic form needs no samples, and refuses options of the other', () => {
  const gemm = join(folder, 'gemm.onnx')
  writeFileSync(
    gemm,
    modelOf({
      inputs: { x: ['float32', ['n', 4]] },
      outputs: { y: 'float32' },
      nodes: [['MatMul', ['x', 'w'], ['y']]],
      constants: {
        w: known(
          'float32',
          [4, 3],
          Float32Array.from({ length: 12 }, (_, i) => i / 12),
        ),
      },
    }),
  )
  const { code, out } = int8('quantize', gemm, '--dynamic')
  expect(code).toBe(0)
  expect(out).toContain('1 of 1 nodes in int8, activations by their range at run time')
  expect(int8('inspect', join(folder, 'gemm.int8.onnx')).out).toMatch(/DynamicQuantizeLinear/)
  expect(int8('quantize', gemm, '--dynamic', '--method', 'mse')).toMatchObject({
    code: 2,
    err: 'int8: --method has no meaning with --dynamic\n',
  })
  writeFileSync(join(folder, 'x.npy'), npyOf('<f4', [2, 4], Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0)))
  expect(int8('run', gemm, '--input', 'x.npy').out).toBe(
    '0 y: float32 [1, 3] 2=0.166667 1=0.0833333 0=0\n1 y: float32 [1, 3] 2=0.416667 1=0.333333 0=0.25\n',
  )
})

test('inspect names operators that are not supported', () => {
  const path = join(folder, 'odd.onnx')
  const bytes = modelOf({ inputs: { x: ['float32', [1]] }, outputs: { y: 'float32' }, nodes: [['Odd', ['x'], ['y']]] })
  writeFileSync(path, bytes)
  expect(int8('inspect', path).out).toMatch(/^1 {2}Odd {2}not supported$/m)
})

test('output that nobody reads to its end is no error', () => {
  const line = `"${process.execPath}" "${program}" inspect "${float}" --nodes --ranges --plan | head -n 1`
  const { stdout, stderr } = spawnSync(line, { shell: true, encoding: 'utf8' })
  expect([stdout.split(/\s+/)[0], stderr]).toEqual(['file', ''])
})

describe('what is wrong is said in a line', () => {
  test.each([
    [['sing'], 2, 'int8: there is no command "sing"'],
    [['quantize', float], 2, 'int8: give samples of real data by --calibration PATH'],
    [
      ['quantize', float, '--calibration', calibration, ...pixels, '--method', 'best'],
      2,
      '--method must be one of minmax, mse',
    ],
    [['quantize', float, '--calibration', calibration, ...pixels, '--metric', 'accuracy'], 2, '--metric has a meaning'],
    [['quantize', float, '--calibration', calibration, ...pixels, '--batch', '0'], 2, '--batch must be a whole number'],
    [['quantize', float, '--calibration', calibration, '--tensor', 'images'], 2, 'must be of the form NAME=VALUE'],
    [['run', float], 2, 'int8: give the samples: --input PATH'],
    [['run', float, '--loud'], 2, "Unknown option '--loud'"],
    [['run', 'none.onnx', '--input', 'x.npy'], 1, 'ENOENT'],
    [['run', calibration, '--input', 'x.npy'], 1, 'FormatError: onnx: this is no ONNX model'],
    [['bench'], 2, 'int8: give a model'],
    [['verify', float], 1, 'ENOENT'],
  ])('%j', (args, code, text) => {
    const ended = int8(...args)
    expect(ended.err).toContain(text)
    expect(ended.err.split('\n')).toHaveLength(2)
    expect([ended.code, ended.out]).toEqual([code, ''])
  })

  test('help is there for the program and each command', () => {
    expect(int8().code).toBe(2)
    for (const command of ['quantize', 'run', 'bench', 'inspect', 'verify']) {
      expect(int8('--help').out).toContain(`  ${command} `)
      expect(int8(command, '--help')).toMatchObject({ code: 0, err: '' })
      expect(int8(command, '--help').out).toContain(`Usage: int8 ${command} MODEL`)
    }
  })
})
