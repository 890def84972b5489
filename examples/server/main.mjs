// PORT=8080 HOST=127.0.0.1 MODEL=mnist.int8 QUEUE=256 BATCH=16 npm start
import { fileURLToPath } from 'node:url'
import { ensureModel } from './model.mjs'
import { createServer } from './server.mjs'

const { PORT = '8080', HOST = '127.0.0.1', QUEUE = '256', BATCH = '16' } = process.env
const model = process.env.MODEL ?? fileURLToPath(new URL('./mnist.int8', import.meta.url))
await ensureModel(model)
const app = await createServer(model, { capacity: Number(QUEUE), batch: Number(BATCH), logger: { level: 'warn' } })
const stop = async () => {
  await app.close()
  process.exit(0)
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)
console.log(`listening on ${await app.listen({ port: Number(PORT), host: HOST })}`)
