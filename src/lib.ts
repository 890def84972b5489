/** All that the files of the package are made of: one bundle, which its entries open. Not public. */
export * as index from './index'
export * as onnx from './onnx'
export { startWorker } from './backend/js/worker'
export { main } from './cli/main'
// For the project's scripts and tests, which see the package from outside.
export { createJsBackend } from './backend/js'
export { operatorNames } from './onnx/ops'
export { newestOpset } from './onnx/read'
export * as fuzzing from './fuzzing'
