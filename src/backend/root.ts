/** Where the package lies. */
import { join } from 'node:path'

/** The package's folder, from `src/backend` and from `dist/lib` alike. */
export const packageRoot = join(__dirname, '../..')
