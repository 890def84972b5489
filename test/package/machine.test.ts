/**
 * Machines that hide what others show: one CPU by affinity, no /proc and /sys, half a CPU by quota. The addon loads, sizes
 * its pool by what it may use, computes, and prints nothing.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(__dirname, '../..')
const program = `
  const { backend, ops, quantizePerTensor, tensor } = require(${JSON.stringify(root)})
  const x = quantizePerTensor(tensor(new Float32Array(64).fill(1)), 0.5, 10, 'quint8')
  const sum = ops.quantized.add(x, x, 1, 0).storage.reduce((a, b) => a + b)
  process.stdout.write(JSON.stringify({ name: backend.name, numThreads: backend.numThreads, sum }))`

/** Runs the program behind a command; what it printed. */
function answerOf(command: string, ...args: string[]): unknown {
  const { status, stdout, stderr } = spawnSync(command, [...args, process.execPath, '-e', program], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], INT8_BACKEND: 'native' },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** Runs it in a mount namespace of its own, after `setUp`. */
const inNamespace = (setUp: string): unknown =>
  answerOf('unshare', '--mount', 'sh', '-c', `mount --make-rprivate / && ${setUp} && exec "$@"`, 'sh')

const onLinux = process.platform === 'linux'
const mayMount = onLinux && spawnSync('unshare', ['--mount', 'mount', '--make-rprivate', '/']).status === 0
const answer = { name: 'native', numThreads: 1, sum: 64 * 2 }

;(onLinux ? describe : describe.skip)('on Linux', () => {
  test('an affinity of one CPU gives one thread', () => {
    expect(answerOf('taskset', '-c', '0')).toEqual(answer)
  })
})

// Needs the right to mount: root, as continuous integration is.
;(mayMount ? describe : describe.skip)('with a file system of its own', () => {
  test('no /sys: loads and computes', () => {
    expect(inNamespace('mount -t tmpfs none /sys')).toMatchObject({ name: 'native', sum: 128 })
  })

  test('no /proc and /sys: loads and computes', () => {
    expect(inNamespace('mount -t tmpfs none /sys && mount -t tmpfs none /proc')).toMatchObject({
      name: 'native',
      sum: 128,
    })
  })

  test('a quota of half a CPU gives one thread', () => {
    const quota = 'mount -t tmpfs none /sys/fs/cgroup && echo 50000 100000 > /sys/fs/cgroup/cpu.max'
    expect(inNamespace(quota)).toEqual(answer)
  })
})
