'use strict';

/*
 * Storage that tests hand to a package: a handler in plain JavaScript that keeps a diary, and a Waterline-style model over an
 * SQLite file for `DatabaseSessionHandler`.
 */

const Database = require('better-sqlite3');

const { later } = require('./cleanup');

/** A handler over a Map, by the original's conventions; `calls` lists what was asked of it. */
class MapHandler {
  constructor() {
    this.map = new Map();
    this.calls = [];
  }

  read(id, callback) {
    this.calls.push(['read', id]);
    process.nextTick(() => callback(this.map.get(id) || ''));
  }

  write(id, text, callback) {
    this.calls.push(['write', id, text]);
    process.nextTick(() => {
      this.map.set(id, text);
      callback();
    });
  }

  destroy(id, callback) {
    this.calls.push(['destroy', id]);
    this.map.delete(id);
    if (callback) process.nextTick(callback);
  }

  gc(maxAge) {
    this.calls.push(['gc', maxAge]);
  }

  setExists(value) {
    this.calls.push(['setExists', value]);
    return this;
  }
}

/** The documented table (id, payload, lastActivity) in an SQLite file. */
function openTable(filename, table = 'sessions') {
  const db = new Database(filename);
  later(() => db.close());
  db.pragma('busy_timeout = 2000');
  db.exec(`CREATE TABLE IF NOT EXISTS "${table}" (id TEXT PRIMARY KEY, payload TEXT, lastActivity INTEGER)`);
  return {
    rows: () => db.prepare(`SELECT id, payload, lastActivity FROM "${table}" ORDER BY id`).all(),
    row: (id) => db.prepare(`SELECT id, payload, lastActivity FROM "${table}" WHERE id = ?`).get(id),
    insert: (id, payload, lastActivity) => (
      db.prepare(`INSERT INTO "${table}" (id, payload, lastActivity) VALUES (?, ?, ?)`).run(id, payload, lastActivity)
    ),
    update: (id, payload, lastActivity) => (
      db.prepare(`UPDATE "${table}" SET payload = ?, lastActivity = ? WHERE id = ?`).run(payload, lastActivity, id)
    ),
    remove: (id) => db.prepare(`DELETE FROM "${table}" WHERE id = ?`).run(id),
    removeBefore: (age) => db.prepare(`DELETE FROM "${table}" WHERE lastActivity < ?`).run(age),
    db,
  };
}

/** The few methods of a Waterline model that the original's DatabaseSessionHandler calls, over such a table. */
function modelOver(table) {
  const answer = (callback, work) => process.nextTick(() => {
    let result;
    try {
      result = work();
    } catch (error) {
      callback(error);
      return;
    }
    callback(null, result);
  });
  return {
    findOne: (id, callback) => answer(callback, () => table.row(id)),
    create: (row, callback) => answer(callback, () => table.insert(row.id, row.payload, row.lastActivity)),
    update: (id, row, callback) => answer(callback, () => table.update(id, row.payload, row.lastActivity)),
    destroy: (what, callback) => answer(callback, () => (
      typeof what === 'string' ? table.remove(what) : table.removeBefore(what.lastActivity['<'])
    )),
  };
}

/** Makes `nodeSession` keep its sessions with `makeHandler()`, by the original's idiom for drivers of one's own. */
function useHandler(site, makeHandler, driver = 'custom') {
  const manager = site.nodeSession.__manager;
  manager.registerHandler(driver, (config, callback) => callback(manager.__buildSession(makeHandler())));
}

module.exports = { MapHandler, openTable, modelOver, useHandler };
