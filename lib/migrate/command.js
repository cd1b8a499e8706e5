'use strict'

/**
 * The command line: what is asked for, what is told, and the exit code.
 */

const { parseArgs } = require('node:util')
const { version } = require('../../package.json')
const { Refused, openStorage } = require('./storage')
const { Move } = require('./move')
const { Progress, summary } = require('./report')

const HELP = `Usage: node-session migrate --from <config> --to <config> [--overwrite] [--dry-run]

Copies the live sessions of one storage into another, with their last activity.

  --from <config>  where they are
  --to <config>    where they go
  --overwrite      also replaces a session that is there already, if it was active earlier
  --dry-run        reads the first storage only, and counts what would be copied

A config is the options of a NodeSession: a .json, .js, .cjs or .mjs file that exports them, or JSON such as
'{"driver": "file", "files": "/var/lib/app/sessions"}'. Paths in it start at the current folder. \`secret\` is needed with
\`encrypt\` only.

Sessions that are there already are skipped, so a run that was stopped can be started again. Ctrl-C stops after the sessions
that are on their way. The exit code is 0 when all went well, 1 when something failed, 2 for a wrong command line, 130 when
it was stopped.

  node-session --help
  node-session --version
`

const OPTIONS = {
  from: { type: 'string' },
  to: { type: 'string' },
  overwrite: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'v', default: false },
}

/** What the command line asks for. */
function parse(args) {
  let parsed
  try {
    parsed = parseArgs({ args, options: OPTIONS, allowPositionals: true })
  } catch (error) {
    // Its second sentence is about arguments that there are not.
    throw new Refused(error.message.split('. ')[0])
  }
  const { values, positionals } = parsed
  if (values.help || values.version) return { values }
  const [command, ...rest] = positionals
  if (command === undefined) throw new Refused('no command is given')
  if (command !== 'migrate') throw new Refused(`there is no command \`${command}\`, only \`migrate\``)
  if (rest.length > 0) throw new Refused(`\`${rest[0]}\` is one word too many`)
  for (const name of ['from', 'to']) {
    if (values[name] === undefined) throw new Refused(`--${name} is missing`)
  }
  return { values }
}

/** Stops a move when the user asks for it; the second time the process ends at once. */
function stopOnSignals(move) {
  let stopped
  const stop = (signal) => {
    if (stopped !== undefined) process.exit(130)
    stopped = signal
    move.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop)
  return {
    isStopped: () => stopped !== undefined,
    forget: () => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.removeListener(signal, stop)
    },
  }
}

async function migrate({ from, to, overwrite, 'dry-run': isDry }) {
  const source = await openStorage('--from', from)
  const target = await openStorage('--to', to)
  const move = new Move(source, isDry ? undefined : target, { overwrite })
  const signals = stopOnSignals(move)
  const progress = new Progress(move, process.stderr)
  let failure
  try {
    await move.run()
  } catch (error) {
    failure = error
  } finally {
    progress.end()
    signals.forget()
  }
  const isStopped = signals.isStopped()
  process.stdout.write(summary(move, { isDry, isStopped }))
  if (failure !== undefined) complain(`stopped: ${told(failure)}; run it again and it goes on`)
  else if (isStopped) complain('stopped; run it again and it goes on')
  if (failure !== undefined || move.failed > 0) return 1
  return isStopped ? 130 : 0
}

/** An error in one line: what went wrong, and why. */
function told(error) {
  const cause = error.cause?.message
  return [error.code, cause === undefined ? error.message : `${error.message} (${cause})`].filter(Boolean).join(': ')
}

function complain(text) {
  process.stderr.write(`node-session: ${text}\n`)
}

/**
 * Runs the command.
 *
 * @private
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function run(args) {
  try {
    const { values } = parse(args)
    if (values.help) process.stdout.write(HELP)
    else if (values.version) process.stdout.write(`${version}\n`)
    else return await migrate(values)
    return 0
  } catch (error) {
    complain(error instanceof Refused ? `${error.message}\nTry node-session --help` : told(error))
    return error instanceof Refused ? 2 : 1
  }
}

module.exports = { run }
