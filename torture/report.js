'use strict'

/**
 * The table that `npm run torture` prints. Pure: cells in, text out.
 */

const number = (value) => value.toLocaleString('en-US')

/** One cell: how often it went wrong, out of how many. */
function said(cell) {
  if (cell === undefined) return 'n/a'
  if (cell.of === 0) return cell.skipped > 0 ? 'skipped' : 'n/a'
  const parts = [`${number(cell.wrong)} of ${number(cell.of)}`]
  if (cell.errors > 0) parts.push(`${number(cell.errors)} errors`)
  if (cell.skipped > 0) parts.push(`${number(cell.skipped)} skipped`)
  return parts.join(', ')
}

/** Whether a cell is as claimed: nothing wrong, and no error. */
function holds(cell) {
  return cell === undefined || (cell.wrong === 0 && !(cell.errors > 0))
}

/** Rows as a table in Markdown, columns padded. */
function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((text, column) => text.padEnd(widths[column])).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n')
}

/**
 * The report.
 *
 * @param {{columns: string[], lines: {title: string, cells: Record<string, object | undefined>}[]}} results
 * @returns {string}
 */
function report({ columns, lines }) {
  const rows = lines.map(({ title, cells }) => [title, '0', ...columns.map((column) => said(cells[column]))])
  return table([['what goes wrong', 'claim', ...columns], ...rows])
}

/** What failed of ours, a line each. */
function failures({ ours, lines }) {
  return lines.flatMap(({ title, cells }) => {
    return ours.filter((column) => !holds(cells[column])).flatMap((column) => {
      return [`${column}: ${title}: ${said(cells[column])}`, ...(cells[column].details ?? []).map((detail) => `    ${detail}`)]
    })
  })
}

module.exports = { report, failures }
