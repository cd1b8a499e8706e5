//! The Lua scripts: what has to happen to one key at once.
//!
//! A key lives from the server's own now on, which tells nothing of other clocks; but where a record's last activity lies ahead of
//! that, as that of a session of another library may, the key lives as much longer.
//!
//! Each touches one key only, so that a cluster can run it. To read a key takes none: that costs a server twenty times less.

use std::sync::OnceLock;

use sha1::{Digest, Sha1};

use super::resp;

/// A script. Servers know it by the digest of its text once they have run it.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    by_digest: OnceLock<Vec<u8>>,
}

impl Script {
    pub(super) const fn new(text: &'static str) -> Self {
        let by_digest = OnceLock::new();
        Script { text, by_digest }
    }

    pub(super) fn text(&self) -> &'static str {
        self.text
    }

    /// The first parts of the command that runs it by its digest, as they are sent.
    pub(super) fn by_digest(&self) -> &[u8] {
        self.by_digest.get_or_init(|| {
            let digest = Sha1::digest(self.text.as_bytes());
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut bytes = Vec::new();
            resp::write_text(&mut bytes, "EVALSHA");
            resp::write_text(&mut bytes, &digest);
            bytes
        })
    }
}

/// Lua: the key lives for that time from now on, and as much longer as the last activity lies ahead.
macro_rules! expire {
    ($last:literal, $lives:literal) => {
        concat!(
            "local time = redis.call('TIME')
local lives, ahead = ",
            $lives,
            ", ",
            $last,
            " - time[1] * 1000 - time[2] / 1000
if ahead > 0 then lives = string.format('%.0f', lives + ahead) end
redis.call('PEXPIRE', KEYS[1], lives)
return 1"
        )
    };
}

/// Arguments: now, the first last activity that is live, the latest that is due, time to live, most bytes. Gives 1 where the activity
/// was recorded, 0 where it was not: also where there is no payload that can be loaded, and by a server that takes no writes now.
pub(super) static RECORD: Script = Script::new(concat!(
    "local size = redis.call('HSTRLEN', KEYS[1], 'payload')
if size == 0 or size > tonumber(ARGV[5]) then return 0 end
local last = tonumber(redis.call('HGET', KEYS[1], 'lastActivity') or '')
if not last or last ~= math.floor(last) then return 0 end
if last < tonumber(ARGV[2]) or last > tonumber(ARGV[3]) then return 0 end
if type(redis.pcall('HSET', KEYS[1], 'lastActivity', ARGV[1])) == 'table' then return 0 end
",
    expire!("ARGV[1]", "ARGV[4]")
));

/// Arguments: payload, last activity, time to live. Gives 1, or 0 for a key that is there.
pub(super) static CREATE: Script = Script::new(concat!(
    "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'payload', ARGV[1], 'lastActivity', ARGV[2])
",
    expire!("ARGV[2]", "ARGV[3]")
));

/// Arguments: expected payload, new one, last activity, time to live, most bytes. Gives 1, 0 for no record, the stored payload
/// where it is another one, or 2 where that has more bytes.
pub(super) static REPLACE: Script = Script::new(concat!(
    "local stored = redis.call('HGET', KEYS[1], 'payload')
if not stored then return 0 end
if stored ~= ARGV[1] then
  if #stored > tonumber(ARGV[5]) then return 2 end
  return stored
end
redis.call('HSET', KEYS[1], 'payload', ARGV[2], 'lastActivity', ARGV[3])
",
    expire!("ARGV[3]", "ARGV[4]")
));

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
pub(super) static TOUCH: Script = Script::new(concat!(
    "local last = redis.call('HGET', KEYS[1], 'lastActivity')
if not last then return 0 end
last = math.max(tonumber(last) or 0, ARGV[1])
if last == tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'lastActivity', ARGV[1]) end
",
    expire!("last", "ARGV[2]")
));

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
