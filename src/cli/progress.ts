/** A line on stderr that tells how far a long job is; silent where stderr is no terminal. */

/** Tells that `done` of `total` are done. */
export type Progress = (done: number) => void

const width = 30

/** Starts a line; the call for the last one ends it. */
export function progress(label: string, total: number, stream: NodeJS.WriteStream = process.stderr): Progress {
  const { show } = stages(stream)
  return (done) => {
    show(label, done, total)
  }
}

/** A job of several stages, each with a line of its own. */
export interface Stages {
  readonly show: (label: string, done: number, total: number) => void
  /** Ends the line of a stage that ended early. */
  readonly end: () => void
}

/** Starts a job. A stage's line ends with its last step, or where another stage begins. */
export function stages(stream: NodeJS.WriteStream = process.stderr): Stages {
  let [current, begin] = ['', 0]
  const end = (): void => {
    if (current !== '') stream.write('\n')
    current = ''
  }
  if (!stream.isTTY) return { show: () => undefined, end: () => undefined }
  return {
    end,
    show: (label, done, total) => {
      if (label !== current) {
        end()
        ;[current, begin] = [label, Date.now()]
      }
      const filled = Math.round((width * done) / Math.max(1, total))
      const left = done === 0 ? '' : `${(((Date.now() - begin) * (total - done)) / done / 1000).toFixed(0)} s left`
      const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`
      stream.write(`\r${label} ${bar} ${String(done)}/${String(total)} ${done < total ? left : ''}\x1b[K`)
      if (done >= total) end()
    },
  }
}
