/** `int8 verify`: that a model gives the same bytes here as where its digest was made. */
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { currentBackend, isNative, useBackend } from '../../backend/current'
import { createJsBackend } from '../../backend/js'
import { InferenceSession } from '../../runtime/session'
import { readSeed, seedHelp, seedOptions, type Command } from '../command'
import { digestFeeds, digestOf, digestPath, hashesOf, readDigest, sha256, type Digest } from '../digest'
import { onlyFile, print, table } from '../usage'

const help = `Compares a model's outputs, by their SHA-256, with a digest that was made anywhere else: on every instruction set
that this CPU has, and on one thread and all.

Usage: int8 verify MODEL [options]

  --digest FILE       the digest (MODEL.digest.json, which int8 quantize --digest writes)
  --js                on the JavaScript backend too, which takes long for large models
  --write             make the digest, instead of comparing
${seedHelp}`

export const verify: Command = {
  summary: 'compare the bytes of outputs with a digest, on every instruction set',
  help,
  run: async (args) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...seedOptions,
        digest: { type: 'string' },
        js: { type: 'boolean' },
        write: { type: 'boolean' },
      },
    })
    const path = onlyFile(positionals, 'int8 verify MODEL')
    const file = values.digest ?? digestPath(path)
    const bytes = await readFile(path)
    if (values.write === true) {
      const session = await InferenceSession.create(path)
      const { seed, sizes } = readSeed(values)
      await writeFile(file, digestText(await digestOf(bytes, session, seed, sizes)))
      session.dispose()
      print(`${file} written`)
      return 0
    }
    const digest = readDigest(file)
    if (digest.model !== sha256(bytes)) {
      print(`${file} was made of another model file: its SHA-256 is ${digest.model}, and ${path} has ${sha256(bytes)}`)
      return 1
    }
    const rows: string[][] = []
    const check = async (name: string, threads: string): Promise<boolean> => {
      const session = await InferenceSession.create(path)
      const hashes = hashesOf(await session.run(digestFeeds(session, digest)))
      session.dispose()
      const names = new Set([...Object.keys(hashes), ...Object.keys(digest.outputs)])
      const wrong = [...names].filter((output) => hashes[output] !== digest.outputs[output])
      rows.push([name, threads, wrong.length === 0 ? 'same' : `differs: ${wrong.join(', ')}`])
      return wrong.length === 0
    }
    const good = await onEverything(check, values.js === true)
    print(table([['instruction set', 'threads', 'outputs'], ...rows]))
    return good ? 0 : 1
  },
}

/** The text of a digest file. */
export function digestText(digest: Digest): string {
  return `${JSON.stringify(digest, undefined, 2)}\n`
}

/** Runs a check on every instruction set and number of threads; whether all held. The settings are as before after it. */
async function onEverything(check: (isa: string, threads: string) => Promise<boolean>, js: boolean): Promise<boolean> {
  const backend = currentBackend()
  let good = true
  if (isNative(backend)) {
    const { isa: isaBefore, numThreads: threadsBefore } = backend
    try {
      for (const isa of backend.supportedIsas)
        for (const threads of new Set([1, Math.max(2, backend.defaultNumThreads)])) {
          backend.setIsa(isa)
          backend.setNumThreads(threads)
          good = (await check(isa, String(threads))) && good
        }
    } finally {
      backend.setIsa(isaBefore)
      backend.setNumThreads(threadsBefore)
    }
  }
  if (!js && isNative(backend)) return good
  useBackend(createJsBackend())
  try {
    return (await check('js', '1')) && good
  } finally {
    useBackend(undefined)
  }
}
