/** Lines that tell how far a job is. */
import { progress, stages } from '../../src/cli/progress'

/** What a terminal would show, a line each. */
function terminal(isTTY = true): { stream: NodeJS.WriteStream; lines: () => string[] } {
  let text = ''
  const stream = {
    isTTY,
    write: (part: string) => {
      text += part
      return true
    },
  } as unknown as NodeJS.WriteStream
  const lines = (): string[] => text.split('\n').map((line) => line.split('\r').at(-1)?.replace('\x1b[K', '') ?? '')
  return { stream, lines }
}

test('a line fills and ends with the last step', () => {
  const { stream, lines } = terminal()
  const tick = progress('running', 3, stream)
  tick(1)
  expect(lines()).toEqual([expect.stringMatching(/^running █{10}░{20} 1\/3 \d+ s left$/)])
  tick(2)
  tick(3)
  expect(lines()).toEqual([expect.stringMatching(/^running █{30} 3\/3 $/), ''])
})

test('a stage that ends early leaves its line as it is, and the next one begins below', () => {
  const { stream, lines } = terminal()
  const line = stages(stream)
  line.show('searching', 2, 9)
  line.show('comparing', 1, 2)
  line.end()
  line.end()
  expect(lines()).toEqual([expect.stringMatching(/^searching .*2\/9/), expect.stringMatching(/^comparing .*1\/2/), ''])
})

test('nothing is written where nobody looks', () => {
  const { stream, lines } = terminal(false)
  const line = stages(stream)
  line.show('searching', 2, 9)
  line.end()
  progress('running', 3, stream)(1)
  expect(lines()).toEqual([''])
})
