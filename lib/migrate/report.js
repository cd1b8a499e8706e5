'use strict'

/**
 * What is told of a move: how far it is, and what came of it.
 */

/** Time between two lines of progress: on a terminal, and elsewhere. Units: milliseconds. */
const ON_TERMINAL = 200
const ELSEWHERE = 5000

const rate = (move) => Math.round(move.rows / Math.max(move.seconds, 0.001))

function line(move) {
  const { copied, skipped, idle, failed } = move
  return `${copied} copied, ${skipped} skipped, ${idle} idle, ${failed} failed, ${rate(move)} rows per second`
}

/**
 * Tells how far a move is, now and then: in one line that changes on a terminal, line by line elsewhere.
 *
 * @private
 */
class Progress {
  constructor(move, stream) {
    this.stream = stream
    const tell = stream.isTTY ? () => stream.write(`\r\x1b[K${line(move)}`) : () => stream.write(`${line(move)}\n`)
    this.timer = setInterval(tell, stream.isTTY ? ON_TERMINAL : ELSEWHERE)
  }

  end() {
    clearInterval(this.timer)
    if (this.stream.isTTY) this.stream.write('\r\x1b[K')
  }
}

/** What came of a move, line by line. */
function summary(move, { isDry, isStopped }) {
  const lines = [
    `${isDry ? 'would be copied' : 'copied'}: ${move.copied}`,
    `skipped: ${move.skipped}`,
    `idle: ${move.idle}`,
    `failed: ${move.failed}`,
  ]
  for (const [code, { count, error }] of move.reasons) lines.push(`  ${code}: ${count} (the first: ${error.message})`)
  lines.push(`seconds: ${move.seconds.toFixed(1)}`, `rows per second: ${rate(move)}`)
  if (isStopped) lines.push('not all of them were looked at')
  return `${lines.join('\n')}\n`
}

module.exports = { Progress, summary }
