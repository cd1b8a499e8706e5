'use strict'

/**
 * HTML as tagged templates: html`<p>${text}</p>`.
 *
 * Every value is escaped, unless it is itself the result of an html`` template. Arrays are joined; undefined, null and
 * false print nothing. Values belong in text or in quoted attributes; nothing here is safe inside a script.
 */

class Html {
  constructor (text) {
    this.text = text
  }

  toString () {
    return this.text
  }
}

function html (strings, ...values) {
  return new Html(String.raw({ raw: strings }, ...values.map(render)))
}

function render (value) {
  if (value instanceof Html) return value.text
  if (Array.isArray(value)) return value.map(render).join('')
  if (value === undefined || value === null || value === false) return ''
  return escape(String(value))
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escape (text) {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character])
}

module.exports = html
