/** A line on stderr that tells how far a long job is; silent where stderr is no terminal. */

/** Tells that `done` of `total` are done. */
export type Progress = (done: number) => void

const width = 30

/** Starts a line; the call for the last one ends it. */
export function progress(label: string, total: number, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return () => undefined
  const begin = Date.now()
  return (done) => {
    const filled = Math.round((width * done) / Math.max(1, total))
    const left = done === 0 ? '' : `${(((Date.now() - begin) * (total - done)) / done / 1000).toFixed(0)} s left`
    const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`
    stream.write(`\r${label} ${bar} ${String(done)}/${String(total)} ${done < total ? left : ''}\x1b[K`)
    if (done >= total) stream.write('\n')
  }
}
