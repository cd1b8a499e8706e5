// The package for `import`: the constructor as the default export, what hangs on it by name.

import NodeSession from './index.js'

export default NodeSession
export const {
  Store,
  EncryptedStore,
  SessionManager,
  SessionError,
  FileSessionHandler,
  MemorySessionHandler,
  DatabaseSessionHandler,
} = NodeSession
