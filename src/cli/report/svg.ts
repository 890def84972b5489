/** Pieces of SVG and HTML. */

/** Text that may stand in an element or an attribute. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character)
}

/** A number as SVG takes it. */
export function n(value: number): string {
  return String(Math.round(10 * value) / 10)
}

/** A rectangle with a tooltip. */
export function bar(kind: string, x: number, y: number, width: number, height: number, tip: string): string {
  return `<rect class="${kind}" x="${n(x)}" y="${n(y)}" width="${n(Math.max(0.5, width))}" height="${n(Math.max(0.5, height))}"><title>${escapeHtml(tip)}</title></rect>`
}

/** A line of an axis. */
export function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="axis" x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}"/>`
}

/** Text at a place. */
export function label(text: string, x: number, y: number, anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}">${escapeHtml(text)}</text>`
}

/** A drawing. */
export function svg(width: number, height: number, title: string, content: readonly string[]): string {
  return `<svg viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" role="img" aria-label="${escapeHtml(title)}">${content.join('')}</svg>`
}
