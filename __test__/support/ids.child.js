'use strict'

/* Makes a thousand ids as soon as it runs, as a thread or as a process, and sends them to whoever started it. */

const path = require('path')
const { isMainThread, parentPort, workerData } = require('worker_threads')

const entry = isMainThread ? process.argv[2] : workerData.entry
const Store = require(path.join(path.dirname(entry), 'lib/store/Store'))
const ids = Array.from({ length: 1000 }, () => Store.prototype.__generateSessionId())

if (isMainThread) process.send(ids, () => process.disconnect())
else parentPort.postMessage(ids)
