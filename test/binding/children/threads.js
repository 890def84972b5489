// UV_THREADPOOL_SIZE=1 node threads.js <addon>: prints which ends first, a call of the addon or work on libuv's thread.
'use strict'

const { pbkdf2 } = require('node:crypto')
const { makeConv } = require('./conv.js')

const order = []
const ended = (what) => {
  order.push(what)
  if (order.length === 2) process.stdout.write(order.join(' then '))
}
pbkdf2('password', 'salt', 2_000_000, 64, 'sha512', () => {
  ended('libuv')
})
void makeConv(require(process.argv[2]))
  .later(1)
  .then(() => {
    ended('addon')
  })
