/** What 10,000 calls of each kind leave behind: nothing. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { addon } from './calls'
import { addonPath, children } from './addon-path'

test('10,000 calls of each kind leave memory flat', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', join(children, 'flat.js'), addonPath()], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  const grown = JSON.parse(stdout) as { rss: number; external: number }
  // A leak of the smallest kind, one packed weight of 4 KB for each call, would be 40 MB.
  expect(grown.rss).toBeLessThan(16e6)
  expect(Math.abs(grown.external)).toBeLessThan(1e6)
}, 120_000)

test('packed weights are reported to V8, and taken back when they are disposed', () => {
  const before = process.memoryUsage().external
  const packed = addon.packQuantized(
    new Int8Array(1 << 22),
    new Int32Array(64),
    Float64Array.of(1, 64, 1, 1, 1, 1 << 16),
  )
  expect(process.memoryUsage().external - before).toBeGreaterThan(1 << 22)
  addon.dispose(packed)
  expect(process.memoryUsage().external - before).toBeLessThan((1 << 22) + (1 << 20))
})
