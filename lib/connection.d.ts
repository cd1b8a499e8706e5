/** Option `connection`: how a database is reached. */

/** A database in a file on this machine. */
export interface SqliteConnection {
  adapter: 'sqlite'
  /** Path of the database file, made when it is missing. */
  filename: string
}

/**
 * What a Waterline 0.10 adapter of the application's needs. `waterline` and the adapter have to be installed; the names of
 * databases that are built in never mean an adapter.
 */
export interface WaterlineConnection {
  adapter: `sails-${string}`
  [setting: string]: unknown
}

/** Redis or Valkey: one server (`host` and `port`, or `path`), a cluster (`nodes`), or what sentinels name (`sentinels`). */
export interface RedisConnection {
  /** Needed with the driver `'database'`. */
  adapter?: 'redis' | 'valkey' | 'sails-redis' | undefined
  /** A URL for what is not given beside it: `redis:`, `rediss:`, `valkey:`, `valkeys:` or `unix:`. */
  url?: string | undefined
  /** @default '127.0.0.1' */
  host?: string | undefined
  /** @default 6379 */
  port?: number | string | undefined
  /** A Unix domain socket, in place of `host` and `port`; not with `ssl`. */
  path?: string | undefined
  /** @default unset, which is Redis's user `default` */
  user?: string | undefined
  password?: string | undefined
  /**
   * Number of the database. A cluster has only 0.
   * @default 0
   */
  db?: number | string | undefined
  /**
   * What the key of a session begins with, before its id.
   * @default 'node-session:'
   */
  prefix?: string | undefined
  /**
   * Encrypts the connection, with options for that.
   * @default false
   */
  ssl?: boolean | ConnectionTls | undefined
  /** Servers of a cluster, in place of `host` and `port`, some of which have to answer: as objects, as `'host:port'` or as URLs. */
  nodes?: readonly RedisAddress[] | undefined
  /** Sentinels, in place of `host` and `port`, which say what the primary is. Their port is 26379 unless it is given. */
  sentinels?: readonly RedisAddress[] | undefined
  /**
   * What the `sentinels` call the primary.
   * @default 'mymaster'
   */
  name?: string | undefined
  /** The password of the sentinels themselves. */
  sentinelPassword?: string | undefined
}

/** A server by itself. */
export type RedisAddress = string | { host: string; port?: number | string | undefined }

/** A database on a PostgreSQL, MySQL or MariaDB server. The `sails-` names are those that Waterline's adapters had. */
export interface SqlConnection {
  adapter?: 'postgres' | 'postgresql' | 'sails-postgresql' | 'mysql' | 'mariadb' | 'sails-mysql' | undefined
  /** Address with any of the other fields in it; those that stand beside it count more. */
  url?: string | undefined
  /** @default '127.0.0.1' */
  host?: string | undefined
  /** @default 5432, or 3306 for MySQL and MariaDB */
  port?: number | string | undefined
  /** Path of a Unix domain socket, in the place of a host; for PostgreSQL that of the folder it is in. */
  socketPath?: string | undefined
  /** @default 'postgres', or 'root' for MySQL and MariaDB */
  user?: string | undefined
  password?: string | undefined
  /** The database. MySQL and MariaDB need one. @default the user's name, for PostgreSQL */
  database?: string | undefined
  /** PostgreSQL: where the table is, as in `table: 'schema.name'`. A switch, as Waterline had it, means nothing. */
  schema?: string | boolean | undefined
  /** Whether the connection is encrypted, and how the server proves who it is. `true` is an empty object. @default false */
  ssl?: boolean | ConnectionTls | undefined
  /** Most connections that one NodeSession has open, 1 to 1000. @default 10 */
  poolSize?: number | undefined
}

/** How a connection is encrypted, as `tls.connect` has it. Certificates and keys are PEM text, not paths. */
export interface ConnectionTls {
  /**
   * Certificates of the authorities that are trusted, or the one that the server signed for itself; MySQL takes such a one only
   * where it is not marked as an authority's.
   * @default those of Mozilla's list
   */
  ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /** The client's own certificate, with `key`. */
  cert?: string | Uint8Array | undefined
  key?: string | Uint8Array | undefined
  /** `false` believes any certificate. @default true */
  rejectUnauthorized?: boolean | undefined
  /** The name that the certificate is for. @default the host */
  servername?: string | undefined
}
