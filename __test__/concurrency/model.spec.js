'use strict'

/*
 * The model that three overlapping requests are compared with says of two requests what the rules say, where it knows their
 * operations.
 */

const { Model, clone } = require('../../torture/model')
const { RULES, ORDERS, meanings, difference } = require('../../torture/workloads/interleavings')

const KNOWN = ['put', 'push', 'increment', 'forget', 'flush', 'change', 'regenerate', 'destroy', 'save']
const isKnown = ([name, path]) => KNOWN.includes(name) && path !== '' && path !== false && !String(path).includes('[')

const rules = RULES.filter((rule) => rule.flash === undefined && [...rule.a, ...rule.b].every(isKnown))

/** Plays a rule in one order with the model; the new id of a request is its letter. */
function play(rule, steps) {
  const model = new Model()
  model.records.set('seed', clone(rule.seed))
  const visits = {}
  for (const step of steps) {
    const [what, who] = step.split(' ')
    if (what === 'load') visits[who] = model.load('seed')
    else {
      for (const operation of rule[who]) visits[who].do(operation[0] === 'regenerate' ? ['regenerate', who] : operation)
      visits[who].save()
    }
  }
  const outcome = (who) => ({ leadsTo: model.records.get(who), results: [] })
  return { stored: model.records.get('seed') ?? null, a: outcome('a'), b: outcome('b') }
}

/** What the model can say: not what was told, nor what a visitor without a session has made. */
function sayable(expected) {
  const { stored, a, b } = expected
  const of = (request) => (request?.leadsTo === undefined ? {} : { leadsTo: request.leadsTo })
  return { stored, a: of(a), b: of(b) }
}

test('the model knows most of the rules', () => {
  expect(rules.length).toBeGreaterThan(25)
})

test.each(rules.map((rule) => [rule.name, rule]))('%s', (name, rule) => {
  for (const [order, steps] of Object.entries(ORDERS)) {
    const [meaning, ...others] = meanings(steps)
    // What has no session any more, or throws, is no business of the model's.
    const isLost = !meaning.overlaps && /destroy|regenerate|put of a text/.test(name)
    if (others.length > 0 || isLost) continue
    const outcome = play(rule, steps)
    expect([order, difference(sayable(rule.expect(meaning, outcome)), outcome, true)]).toEqual([order, ''])
  }
})
