'use strict'

/**
 * A model with Waterline's methods over a handler, as far as sessions need them.
 */

/**
 * @private
 * @param {object} handler reads, writes and destroys session texts
 * @returns {{findOne: Function, create: Function, update: Function, destroy: Function}}
 */
function modelOver(handler) {
  const put = (id, row, callback) =>
    handler.write(id, JSON.parse(row.payload), (error) => callback(error, error ? undefined : { id, ...row }))
  return {
    findOne(id, callback) {
      handler.read(id, (text) => {
        if (text instanceof Error) callback(text)
        else callback(null, text === '' ? undefined : { id, payload: JSON.stringify(text) })
      })
    },
    create: (row, callback) => put(row.id, row, callback),
    update: put,
    destroy(criteria, callback) {
      if (typeof criteria === 'string') {
        handler.destroy(criteria, callback)
        return
      }
      handler.gc(Date.now() - criteria.lastActivity['<'])
      callback()
    },
  }
}

module.exports = { modelOver }
