/**
 * The parity table: one row per kernel of the contract, which draws shapes, parameters and data for it. A kernel without
 * a row does not compile. Instruction sets, threads, sync and async are the harness's business.
 */
import type { KernelName } from '../../src/backend/contract'
import type { Rows } from './case'
import { convRows } from './rows-conv'
import { dynamicRows } from './rows-dynamic'
import { elementwiseRows } from './rows-elementwise'
import { matmulRows } from './rows-matmul'
import { movementRows } from './rows-movement'
import { poolRows } from './rows-pool'

export const table: Rows<KernelName> = {
  ...elementwiseRows,
  ...dynamicRows,
  ...convRows,
  ...matmulRows,
  ...poolRows,
  ...movementRows,
}
