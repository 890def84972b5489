// The HTTP face: POST /classify, GET /health, GET /metrics, and a page to draw on.
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { BusyError, Classifier, ClosedError, side } from './classifier.mjs'

const page = readFileSync(new URL('./public/index.html', import.meta.url))
const imageBytes = side * side

/**
 * A server that is ready to listen.
 *
 * @param model - Path of the model, or a session that is ready.
 * @param options - `capacity`: images that may wait; `batch`: images that one run computes; `logger`: as fastify has it.
 */
export async function createServer(model, { capacity = 256, batch = 16, logger = false } = {}) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const answers = new Counter({
    name: 'classify_requests_total',
    help: 'Requests by status of the answer',
    labelNames: ['status'],
    registers: [registry],
  })
  const batches = new Histogram({
    name: 'classify_batch_size',
    help: 'Images in one run',
    buckets: [1, 2, 4, 8, 16, 32],
    registers: [registry],
  })
  const runs = new Histogram({
    name: 'classify_run_seconds',
    help: 'Time of one run',
    buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    registers: [registry],
  })
  const settings = {
    capacity,
    batch,
    onBatch: (size, seconds) => {
      batches.observe(size)
      runs.observe(seconds)
    },
  }
  const classifier =
    typeof model === 'string' ? await Classifier.create(model, settings) : new Classifier(model, settings)
  new Gauge({
    name: 'classify_waiting',
    help: 'Images in the queue',
    registers: [registry],
    collect() {
      this.set(classifier.waiting)
    },
  })

  const app = Fastify({ logger, bodyLimit: 64 * 1024, forceCloseConnections: 'idle' })
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.addHook('onResponse', async (request, reply) => {
    if (request.routeOptions.url === '/classify') answers.inc({ status: String(reply.statusCode) })
  })
  app.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(page))
  app.get('/health', async () => ({ status: 'ok', waiting: classifier.waiting }))
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  app.post('/classify', async (request, reply) => {
    const { body } = request
    if (!Buffer.isBuffer(body) || body.length !== imageBytes) {
      reply.code(400)
      return {
        error: `send ${imageBytes} bytes, the grey pixels of an image of ${side} x ${side}, as application/octet-stream`,
      }
    }
    try {
      const probabilities = await classifier.classify(body)
      const label = probabilities.indexOf(Math.max(...probabilities))
      return { label, probabilities }
    } catch (error) {
      if (!(error instanceof BusyError || error instanceof ClosedError)) throw error
      reply.code(503).header('retry-after', '1')
      return { error: error.message }
    }
  })
  // Fastify waits for the requests that are under way, and they for the classifier.
  app.addHook('preClose', () => classifier.close())
  return app
}
