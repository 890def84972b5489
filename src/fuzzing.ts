/** What `npm run fuzz` drives beside the public face. */
export { openArrays } from './cli/arrays'
export { seededFeeds } from './cli/seeded'
