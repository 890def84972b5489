// The page in a real browser: draws a digit with the mouse and reads the answer.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { ensureModel } from '../model.mjs'
import { createServer } from '../server.mjs'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const skip = existsSync(executablePath) ? false : `there is no Chromium at ${executablePath}: set CHROMIUM`

test('a digit that is drawn is recognised, and Clear clears it', { skip, timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'int8-page-test-'))
  const model = join(folder, 'mnist.int8')
  await ensureModel(model)
  const app = await createServer(model)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-sync'],
  })
  try {
    const page = await browser.newPage()
    const errors = []
    page.on('pageerror', (error) => errors.push(error))
    await page.goto(address)
    const box = await page.locator('canvas').boundingBox()
    const draw = async (...points) => {
      const [[x, y], ...rest] = points
      await page.mouse.move(box.x + x, box.y + y)
      await page.mouse.down()
      for (const [nextX, nextY] of rest) await page.mouse.move(box.x + nextX, box.y + nextY, { steps: 8 })
      await page.mouse.up()
    }
    const status = page.locator('p[role=status]')
    for (const [strokes, name] of [
      [
        [
          [140, 50],
          [140, 230],
        ],
        '1',
      ],
      [
        [
          [80, 70],
          [200, 70],
          [130, 230],
        ],
        '7',
      ],
    ]) {
      await draw(...strokes)
      await page.waitForFunction((digit) => document.querySelector('[role=status]').textContent.includes(digit), name)
      assert.equal(await status.textContent(), `It looks like a ${name}.`)
      assert.match(await page.locator('li.best').innerText(), new RegExp(`^${name}\\s`))
      await page.getByRole('button', { name: 'Clear' }).click()
      assert.equal(await status.textContent(), '')
    }
    assert.deepEqual(errors, [])
  } finally {
    await browser.close()
    await app.close()
    rmSync(folder, { recursive: true })
  }
})
