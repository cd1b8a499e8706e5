'use strict'

/**
 * The pages, as plain functions from a session to HTML.
 *
 * They read the session and never change it. What a visitor typed is escaped by html``.
 */

const html = require('./html')
const { teas, findTea } = require('./menu')

function home (session) {
  const user = session.get('user')
  const orders = session.get('orders', [])

  return page({
    session,
    title: 'The menu',
    content: html`
      ${welcome(user, session.get('views'))}
      <div class="room">
        ${menu(session.getToken())}
        <div class="side">
          ${trayPanel(session.get('tray', {}), user, session.getToken())}
          ${user ? '' : signInPanel(session.get('signIn', {}), session.getToken())}
          ${orders.length > 0 && ordersPanel(orders)}
          ${sessionPanel(session)}
        </div>
      </div>`
  })
}

function notFound (session) {
  return notice(session, '404', 'No such table', 'We looked behind the curtain too: there is nothing at this address.')
}

function forbidden (session) {
  return notice(session, '403', 'We did not take that form', html`
    It came without the token that your session holds, so it may not have come from you. If you sent it from a page that had
    been open for a while, go back to the menu and try once more. Nothing was changed.`)
}

function oops (session, status) {
  return status < 500
    ? notice(session, status, 'We could not read that', 'Something in the request was not as it should be. Nothing was changed.')
    : notice(session, status, 'We spilled something', 'It is our fault, not yours. Please try again in a moment.')
}

module.exports = { home, notFound, forbidden, oops }

function page ({ session, title, content }) {
  return String(html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${title} · The Quiet Leaf</title>
  <link rel="icon" href="/leaf.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/style.css">
</head>
<body>
  <a class="skip" href="#main">Skip to the content</a>
  <header class="bar">
    <a class="brand" href="/" aria-label="The Quiet Leaf, the menu"><img src="/leaf.svg" alt="" width="28" height="28"><b>The Quiet Leaf</b></a>
    ${session && trayLink(session.get('tray', {}))}
    ${session && account(session)}
  </header>
  <main id="main">
    ${session && message(session.get('message'))}
    ${content}
  </main>
  <footer>A demo of <strong>node-session</strong>. No tea was harmed; none will be delivered.</footer>
</body>
</html>
`)
}

/** A page with one thing to say and a way back. */
function notice (session, status, heading, text) {
  return page({
    session,
    title: heading,
    content: html`
      <section class="notice">
        <p class="status">${status}</p>
        <h1>${heading}</h1>
        <p>${text}</p>
        <p><a class="button" href="/">Back to the menu</a></p>
      </section>`
  })
}

function trayLink (tray) {
  const cups = linesOf(tray).reduce((sum, line) => sum + line.cups, 0)
  return cups > 0 && html`
    <a class="quiet" href="/#tray">Tray <span class="badge">${cups}<span class="hidden"> ${cups === 1 ? 'cup' : 'cups'}</span></span></a>`
}

function account (session) {
  const user = session.get('user')
  if (!user) return html`<a class="quiet" href="/#sign-in">Sign in</a>`

  return html`
    <form class="account" method="post" action="/sign-out">
      ${token(session.getToken())}
      <span class="who"><span class="hidden">Signed in as </span>${user.name}</span>
      <button class="quiet">Sign out</button>
    </form>`
}

function message (message) {
  if (!message) return ''
  return html`<p class="message ${message.kind}" role="${message.kind === 'error' ? 'alert' : 'status'}">${message.text}</p>`
}

function welcome (user, views) {
  return html`
    <section class="welcome">
      <div>
        <h1>${user ? `Good to see you, ${user.name}` : 'Pull up a chair'}</h1>
        <p>Six teas, one kettle, and a tray that waits for you: leave, come back, restart the server, and it is still here.</p>
      </div>
      <p class="stamp"><b>${views}</b> ${views === 1 ? 'view' : 'views'}<span class="hidden"> of this page by you</span></p>
    </section>`
}

function menu (sessionToken) {
  return html`
    <section aria-labelledby="menu">
      <h2 id="menu">The menu</h2>
      <form method="post" action="/tray">
        ${token(sessionToken)}
        <ul class="teas">${teas.map(card)}</ul>
      </form>
    </section>`
}

function card (tea) {
  return html`
    <li class="card" id="${tea.id}">
      ${cup(tea.colour)}
      <div class="about">
        <h3>${tea.name}</h3>
        <p class="kind">${tea.kind} · ${tea.steep}</p>
        <p>${tea.note}</p>
      </div>
      <div class="buy">
        <span class="price">${money(tea.price)}</span>
        <button name="more" value="${tea.id}">Add<span class="hidden"> ${tea.name} to your tray</span></button>
      </div>
    </li>`
}

function cup (colour) {
  return html`
    <svg class="cup" viewBox="0 0 64 56" width="64" height="56" aria-hidden="true">
      <path class="steam" d="M25 13c-4-4 4-6 0-11M37 13c-4-4 4-6 0-11"/>
      <path class="china" d="M49 25h4a7 7 0 0 1 0 14h-6" fill="none"/>
      <path class="china" d="M9 20h42v10c0 11-8 18-21 18S9 41 9 30z"/>
      <ellipse class="china" cx="30" cy="20" rx="21" ry="5"/>
      <ellipse cx="30" cy="20.5" rx="17.5" ry="3.2" fill="${colour}"/>
      <path class="china" d="M7 52h46"/>
    </svg>`
}

function trayPanel (tray, user, sessionToken) {
  const lines = linesOf(tray)
  return html`
    <section class="panel" id="tray" aria-labelledby="tray-heading">
      <h2 id="tray-heading">Your tray</h2>
      ${lines.length === 0
        ? html`<p class="empty">Nothing on it yet. Add a cup from the menu.</p>`
        : trayContent(lines, user, sessionToken)}
    </section>`
}

function trayContent (lines, user, sessionToken) {
  return html`
    <form method="post" action="/tray">
      ${token(sessionToken)}
      <input type="hidden" name="from" value="tray">
      <ul class="lines">${lines.map(({ tea, cups }) => html`
        <li>
          <span class="name">${tea.name}</span>
          <span class="steps">
            <button class="round" name="less" value="${tea.id}" aria-label="One cup of ${tea.name} less">−</button>
            <span class="count">${cups}<span class="hidden"> ${cups === 1 ? 'cup' : 'cups'}</span></span>
            <button class="round" name="more" value="${tea.id}" aria-label="One more cup of ${tea.name}">+</button>
          </span>
          <span class="price">${money(cups * tea.price)}</span>
        </li>`)}
      </ul>
    </form>
    <p class="total"><span>Total</span> <b class="price">${money(totalOf(lines))}</b></p>
    ${user
      ? html`<form method="post" action="/order">${token(sessionToken)}<button class="wide">Place the order</button></form>`
      : html`<a class="button wide" href="#sign-in">Sign in to order</a>`}`
}

function signInPanel ({ name, problem }, sessionToken) {
  return html`
    <section class="panel" id="sign-in" aria-labelledby="sign-in-heading">
      <h2 id="sign-in-heading">Sign in</h2>
      <form method="post" action="/sign-in" novalidate>
        ${token(sessionToken)}
        <label for="name">Your name</label>
        <div class="row">
          <input id="name" name="name" value="${name}" maxlength="40" autocomplete="given-name" required
            ${problem && html`aria-invalid="true" aria-describedby="name-problem" autofocus`}>
          <button>Sign in</button>
        </div>
        ${problem && html`<p class="problem" id="name-problem">${problem}</p>`}
      </form>
      <p class="hint">No password here. Your tray comes along; your session gets a new id.</p>
    </section>`
}

function ordersPanel (orders) {
  return html`
    <section class="panel" id="orders" aria-labelledby="orders-heading">
      <h2 id="orders-heading">Your last orders</h2>
      <ol class="orders">${[...orders].reverse().map(({ at, tray }) => html`
        <li>
          <span>${linesOf(tray).map(({ tea, cups }) => `${cups} × ${tea.name}`).join(', ')}</span>
          <span class="hint">${money(totalOf(linesOf(tray)))} · <time datetime="${new Date(at).toISOString()}">${ago(at)}</time></span>
        </li>`)}
      </ol>
    </section>`
}

/** The corner that shows what the server keeps. Id and token are shortened: they are keys, and this is a screen. */
function sessionPanel (session) {
  const held = { ...session.all(), _token: shorten(session.getToken()) }
  return html`
    <details class="panel held" open>
      <summary>What your session holds</summary>
      <p class="hint">Session <code>${shorten(session.getId())}</code>, kept on the server. Your cookie carries only the signed id.</p>
      <pre tabindex="0" role="region" aria-label="The session as JSON">${JSON.stringify(held, null, 2)}</pre>
      <form method="post" action="/order">
        <button class="quiet">Send a form without its token</button>
      </form>
    </details>`
}

function token (sessionToken) {
  return html`<input type="hidden" name="_token" value="${sessionToken}">`
}

/** The tray as lines with their tea; a tea that has left the menu since is left out. */
function linesOf (tray) {
  return Object.entries(tray)
    .map(([id, cups]) => ({ tea: findTea(id), cups }))
    .filter(({ tea }) => tea)
}

function totalOf (lines) {
  return lines.reduce((sum, { tea, cups }) => sum + cups * tea.price, 0)
}

function money (cents) {
  return `€${(cents / 100).toFixed(2)}`
}

function ago (time) {
  const minutes = Math.floor((Date.now() - time) / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return minutes === 1 ? 'a minute ago' : `${minutes} minutes ago`
  const hours = Math.floor(minutes / 60)
  return hours === 1 ? 'an hour ago' : `${hours} hours ago`
}

function shorten (secret) {
  return `${secret.slice(0, 4)}…${secret.slice(-4)}`
}
