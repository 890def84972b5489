/** What 10,000 calls of each kind leave behind: nothing. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
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

test.each(['packed', 'plan', 'constants'])(
  'native memory is reported to V8, which collects what was dropped in time: %s',
  (kind) => {
    const { stdout, stderr } = spawnSync(process.execPath, [join(children, 'pressure.js'), addonPath(), kind], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    // 400 of 4 MB: 1.6 GB if nothing were collected.
    expect(Number(stdout)).toBeLessThan(600e6)
  },
  120_000,
)
