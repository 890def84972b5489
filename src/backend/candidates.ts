/**
 * Where the addon may lie: a static table of literal paths, so that bundlers and packagers can follow them. Each works
 * from `src/backend` and from `dist/lib` alike.
 */

/* eslint-disable @typescript-eslint/no-require-imports -- the only way to load an addon that bundlers understand */

/** One place for the binary. */
export interface Candidate {
  /** From the package's root. */
  readonly path: string
  readonly load: () => unknown
}

/** Prebuilt binaries by platform, architecture and, on Linux, C library. */
const prebuilt: Readonly<Record<string, Candidate>> = {
  'linux-x64-glibc': {
    path: 'prebuilds/linux-x64/int8.glibc.node',
    load: (): unknown => require('../../prebuilds/linux-x64/int8.glibc.node'),
  },
  'linux-x64-musl': {
    path: 'prebuilds/linux-x64/int8.musl.node',
    load: (): unknown => require('../../prebuilds/linux-x64/int8.musl.node'),
  },
  'linux-arm64-glibc': {
    path: 'prebuilds/linux-arm64/int8.glibc.node',
    load: (): unknown => require('../../prebuilds/linux-arm64/int8.glibc.node'),
  },
  'linux-arm64-musl': {
    path: 'prebuilds/linux-arm64/int8.musl.node',
    load: (): unknown => require('../../prebuilds/linux-arm64/int8.musl.node'),
  },
  'darwin-x64': {
    path: 'prebuilds/darwin-x64/int8.node',
    load: (): unknown => require('../../prebuilds/darwin-x64/int8.node'),
  },
  'darwin-arm64': {
    path: 'prebuilds/darwin-arm64/int8.node',
    load: (): unknown => require('../../prebuilds/darwin-arm64/int8.node'),
  },
  'win32-x64': {
    path: 'prebuilds/win32-x64/int8.node',
    load: (): unknown => require('../../prebuilds/win32-x64/int8.node'),
  },
  'win32-arm64': {
    path: 'prebuilds/win32-arm64/int8.node',
    load: (): unknown => require('../../prebuilds/win32-arm64/int8.node'),
  },
}

/** Built on this machine by `npm run compile:native`. */
const local: Candidate = {
  path: 'build/Release/int8.node',
  load: (): unknown => require('../../build/Release/int8.node'),
}

/** This process, as the table names it: `linux-x64-glibc`, `darwin-arm64`, … */
export function platformKey(): string {
  const key = `${process.platform}-${process.arch}`
  return process.platform === 'linux' ? `${key}-${libc()}` : key
}

/** The places to look at, best first; none prebuilt where the package has none for this platform. */
export function candidates(): readonly Candidate[] {
  const fitting = prebuilt[platformKey()]
  return fitting === undefined ? [local] : [fitting, local]
}

/** Node's report names the C library's version where it is glibc. */
function libc(): 'glibc' | 'musl' {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean }
  const before = report.excludeNetwork
  report.excludeNetwork = true // otherwise the report looks up host names
  const { header } = report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } }
  report.excludeNetwork = before ?? false
  return header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
}
