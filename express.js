'use strict'

/**
 * Nothing at run time: `import 'node-session/express'` is for its types.
 */
