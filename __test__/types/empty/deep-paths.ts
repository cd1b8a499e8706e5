/** The deep paths of node-session 1.x give the classes that hang on the constructor. */
import NodeSession = require('node-session')
import SessionManager = require('node-session/lib/SessionManager')
import Store = require('node-session/lib/store/Store')
import EncryptedStore = require('node-session/lib/store/EncryptedStore')
import FileSessionHandler = require('node-session/lib/handler/FileSessionHandler')
import MemorySessionHandler = require('node-session/lib/handler/MemorySessionHandler')
import DatabaseSessionHandler = require('node-session/lib/handler/DatabaseSessionHandler')
import util = require('node-session/lib/util')
import type { Equal, Expect } from '../expect'

type _same = [
  Expect<Equal<typeof SessionManager, typeof NodeSession.SessionManager>>,
  Expect<Equal<typeof Store, typeof NodeSession.Store>>,
  Expect<Equal<typeof EncryptedStore, typeof NodeSession.EncryptedStore>>,
  Expect<Equal<typeof FileSessionHandler, typeof NodeSession.FileSessionHandler>>,
  Expect<Equal<typeof MemorySessionHandler, typeof NodeSession.MemorySessionHandler>>,
  Expect<Equal<typeof DatabaseSessionHandler, typeof NodeSession.DatabaseSessionHandler>>,
]

util.defineMember({}, 'a.b.c')
const trusts: boolean = util.compileTrust('loopback')('127.0.0.1', 0)
void trusts
