'use strict'

/**
 * The teas on the menu. Prices are in cents; `steep` is what the card tells you; `colour` is what is in the cup.
 */

const teas = [
  {
    id: 'assam',
    name: 'First Bell Assam',
    kind: 'Black',
    note: 'Malt and toast. Takes milk, and the edge off a Monday.',
    steep: '4 min at 98 °C',
    price: 320,
    colour: '#8f3f1d'
  },
  {
    id: 'sencha',
    name: 'Rain on Sencha',
    kind: 'Green',
    note: 'Cut grass, sea air, a clean finish.',
    steep: '90 s at 75 °C',
    price: 380,
    colour: '#a9b44a'
  },
  {
    id: 'oolong',
    name: 'Iron Kettle Oolong',
    kind: 'Oolong',
    note: 'Roasted chestnut first, orchid on the third pour.',
    steep: '2 min at 92 °C',
    price: 450,
    colour: '#c07a2c'
  },
  {
    id: 'peony',
    name: 'White Peony',
    kind: 'White',
    note: 'Melon rind and hay. Quiet, and better for it.',
    steep: '5 min at 80 °C',
    price: 480,
    colour: '#e2c77f'
  },
  {
    id: 'lapsang',
    name: 'Campfire Lapsang',
    kind: 'Smoked',
    note: 'Pine smoke and dried plum. Sit by a window.',
    steep: '3 min at 95 °C',
    price: 410,
    colour: '#6b2f1c'
  },
  {
    id: 'chamomile',
    name: 'Lamplight Chamomile',
    kind: 'Herbal',
    note: 'Apple and honey. For the last page of the book.',
    steep: '6 min at 98 °C',
    price: 340,
    colour: '#e3ab2f'
  }
]

/** @returns {object|undefined} the tea with this id, whatever the visitor sent */
function findTea (id) {
  return teas.find((tea) => tea.id === id)
}

module.exports = { teas, findTea }
