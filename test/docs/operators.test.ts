/** The reference of operators is made from the code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { operatorNames } from '../../src/onnx/ops'

test('docs/operators.md names every operator that there is, and no other', () => {
  const text = readFileSync(join(__dirname, '../../docs/operators.md'), 'utf8')
  const [, own = '', microsoft = ''] = text.split(/^(?:ONNX's own domain|`com\.microsoft`), \d+ operators.*$/m)
  const names = (part: string): string[] => Array.from(part.matchAll(/`(\w+)`/g), ([, name = '']) => name)
  expect(names(own)).toEqual(operatorNames(''))
  expect(names(microsoft)).toEqual(operatorNames('com.microsoft'))
})
