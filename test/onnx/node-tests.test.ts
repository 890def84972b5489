/** ONNX's own operator tests, list by list: each passes, or is a named exception that is refused. */
import { UnsupportedOperatorError } from '../../src/errors'
import { namesOf, runNodeTest, unpackNodeTests, type List } from '../support/onnx-node-tests'
import { exceptions } from './exceptions'

const { root, remove } = unpackNodeTests()
afterAll(remove)

const lists: readonly List[] = ['quant', 'first', 'second', 'later']

describe.each(lists)('the list %s', (list) => {
  const names = namesOf(root, list)
  const passing = names.filter((name) => exceptions[name] === undefined)
  const refused = names.filter((name) => exceptions[name] !== undefined)

  test.each(passing)('%s gives the expected result', (name) => {
    expect(() => {
      runNodeTest(root, name)
    }).not.toThrow()
  })

  if (refused.length > 0)
    test.each(refused)('%s is refused by name', (name) => {
      expect(() => {
        runNodeTest(root, name)
      }).toThrow(UnsupportedOperatorError)
    })
})

test('every exception is the name of a test', () => {
  const all = new Set(lists.flatMap((list) => namesOf(root, list)))
  expect(Object.keys(exceptions).filter((name) => !all.has(name))).toEqual([])
})
