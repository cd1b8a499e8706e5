'use strict'

/**
 * Numbers and tables as text, for people to read. Pure.
 */

/** `NaN` for no numbers. */
function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A number with one digit after the point, unless it has three before it. */
function rounded(number) {
  if (!Number.isFinite(number)) return '–'
  const digits = Math.abs(number) >= 100 ? 0 : 1
  return number.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Lines of cells as text: the first column to the left, numbers to the right. */
function table(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

/** The same in Markdown. */
function markdown(lines) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(lines[0]), `|${'---|'.repeat(lines[0].length)}`, ...lines.slice(1).map(line)].join('\n')
}

module.exports = { median, rounded, table, markdown }
