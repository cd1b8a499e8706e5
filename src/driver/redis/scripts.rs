//! The Lua scripts: what has to happen to one key at once.
//!
//! A key lives from the server's own now on, which tells nothing of other clocks; but where a record's last activity lies ahead of
//! that, as that of a session of another library may, the key lives as much longer.
//!
//! Each touches one key only, so that a cluster can run it. Knows no connection: makes the commands that others send.

use std::sync::OnceLock;

use sha1::{Digest, Sha1};

use super::resp::{Command, Part};

/// A script. Servers know it by the digest of its text once they have run it.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    digest: OnceLock<String>,
}

/// How a server is told which script to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// By its digest, which the server may not know.
    Digest,
    /// By its text, after which the server knows the digest.
    Text,
}

impl Script {
    pub(super) const fn new(text: &'static str) -> Self {
        let digest = OnceLock::new();
        Script { text, digest }
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let digest = Sha1::digest(self.text.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }

    /// It, to be run on a key.
    pub(super) fn on<'t>(&'t self, key: &'t str, arguments: &[Part<'t>]) -> Call<'t> {
        let mut command = Command::of(&["EVALSHA", self.digest(), "1", key]);
        command.add(arguments);
        Call {
            script: self,
            key,
            command,
        }
    }
}

/// A script to be run on a key.
#[derive(Debug)]
pub(super) struct Call<'t> {
    script: &'t Script,
    pub(super) key: &'t str,
    /// In the form of the digest.
    pub(super) command: Command<'t>,
}

impl<'t> Call<'t> {
    /// The command in another form.
    pub(super) fn in_form(&self, form: Form) -> Command<'t> {
        match form {
            Form::Digest => self.command.clone(),
            Form::Text => self.command.clone().beginning(["EVAL", self.script.text]),
        }
    }
}

/// Arguments: most bytes. Gives payload and last activity, each nil where it is not there; or the number of bytes of a
/// payload that has more.
pub(super) static LOAD: Script = Script::new(
    "local size = redis.call('HSTRLEN', KEYS[1], 'payload')
if size > tonumber(ARGV[1]) then return size end
return redis.call('HMGET', KEYS[1], 'payload', 'lastActivity')",
);

/// Arguments: most bytes, now, the first last activity that is live, the latest that is due, time to live. Gives what `LOAD` gives,
/// and 1 where the activity was recorded. A server that takes no writes now gives the record all the same.
pub(super) static VISIT: Script = Script::new(
    "local size = redis.call('HSTRLEN', KEYS[1], 'payload')
if size > tonumber(ARGV[1]) then return size end
local record = redis.call('HMGET', KEYS[1], 'payload', 'lastActivity')
local last = tonumber(record[2] or '')
record[3] = 0
if not record[1] or not last or last ~= math.floor(last) then return record end
if last < tonumber(ARGV[3]) or last > tonumber(ARGV[4]) then return record end
if type(redis.pcall('HSET', KEYS[1], 'lastActivity', ARGV[2])) == 'table' then return record end
local time = redis.call('TIME')
local ahead = math.max(0, ARGV[2] - (time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[5] + ahead))
record[3] = 1
return record",
);

/// Arguments: payload, last activity, time to live. Gives 1, or 0 for a key that is there.
pub(super) static CREATE: Script = Script::new(
    "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'payload', ARGV[1], 'lastActivity', ARGV[2])
local ahead = math.max(0, ARGV[2] - (time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[3] + ahead))
return 1",
);

/// Arguments: expected payload, new one, last activity, time to live, most bytes. Gives 1, 0 for no record, the stored payload
/// where it is another one, or 2 where that has more bytes.
pub(super) static REPLACE: Script = Script::new(
    "local stored = redis.call('HGET', KEYS[1], 'payload')
if not stored then return 0 end
if stored ~= ARGV[1] then
  if #stored > tonumber(ARGV[5]) then return 2 end
  return stored
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'payload', ARGV[2], 'lastActivity', ARGV[3])
local ahead = math.max(0, ARGV[3] - (time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[4] + ahead))
return 1",
);

/// Arguments: expected payload, most bytes. Gives what `REPLACE` gives.
pub(super) static REMOVE: Script = Script::new(
    "local stored = redis.call('HGET', KEYS[1], 'payload')
if not stored then return 0 end
if stored ~= ARGV[1] then
  if #stored > tonumber(ARGV[2]) then return 2 end
  return stored
end
redis.call('DEL', KEYS[1])
return 1",
);

/// Arguments: last activity, time to live. Gives 1, or 0 for no record.
pub(super) static TOUCH: Script = Script::new(
    "local last = redis.call('HGET', KEYS[1], 'lastActivity')
if not last then return 0 end
last = math.max(tonumber(last) or 0, ARGV[1])
local time = redis.call('TIME')
if last == tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'lastActivity', ARGV[1]) end
local ahead = math.max(0, last - (time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[2] + ahead))
return 1",
);

/// Gives the number of keys that were there.
pub(super) static DESTROY: Script = Script::new("return redis.call('DEL', KEYS[1])");

/// Arguments: the first instant of last activity that is kept. Gives the number of keys it removed.
pub(super) static SWEEP: Script = Script::new(
    "local last = tonumber(redis.call('HGET', KEYS[1], 'lastActivity') or '')
if last and last < tonumber(ARGV[1]) then return redis.call('DEL', KEYS[1]) end
return 0",
);

/// Arguments: owner, now, the end of the lease, time to live. Gives 0 for a lease that is granted, 1 for one that is kept, or the
/// text of the instant at which another's ends.
pub(super) static ACQUIRE: Script = Script::new(
    "local held = redis.call('GET', KEYS[1])
local kept = 0
if held then
  if string.sub(held, 1, 32) == ARGV[1] then
    kept = 1
  else
    local ends = string.sub(held, 34)
    if tonumber(ends) > tonumber(ARGV[2]) then return ends end
  end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return kept",
);

/// Arguments: owner. Gives the number of keys it removed.
pub(super) static RELEASE: Script = Script::new(
    "local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 32) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0",
);
