// Makes native objects of 4 MB and drops them, without asking for a collection: prints the most memory that the process
// had. Only what V8 is told of makes it collect in time.
const addon = require(process.argv[2])
const bytes = 1 << 22
const codes = new Int8Array(bytes)
const zeroPoints = new Int32Array(64)
const make = {
  packed: () => addon.packQuantized(codes, zeroPoints, Float64Array.of(1, 64, 1, 1, 1, bytes / 64)),
  plan: () => addon.planWrite(addon.planCreate(bytes), 0, codes),
  constants: () => {
    const memory = new ArrayBuffer(64)
    const plan = addon.planCreate(64)
    addon.planStep(plan, memory, 'minMax', new Float32Array(codes.buffer), new Float32Array(memory, 0, 2))
  },
}[process.argv[3]]

let most = 0
async function run() {
  for (let i = 0; i < 400; i++) {
    make()
    most = Math.max(most, process.memoryUsage.rss())
    // Finalizers run between turns of the event loop.
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  console.log(most)
}
run()
