-- Repeats the targets that BENCH_TARGETS names (lines of a path, a tab and a cookie), and prints what wrk measured as JSON.
-- Says READY before it begins.

local requests = {}
local next_at = 0

function init()
  for line in io.lines(os.getenv("BENCH_TARGETS")) do
    local path, cookie = line:match("^([^\t]*)\t(.*)$")
    local headers = {}
    if cookie ~= "" then headers["Cookie"] = cookie end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
  io.write("READY\n")
  io.flush()
end

function request()
  next_at = next_at % #requests + 1
  return requests[next_at]
end

-- Where BENCH_PAUSE tells so many milliseconds, each connection waits between an answer and its next request.
local pause = tonumber(os.getenv("BENCH_PAUSE"))
if pause then
  function delay() return pause end
end

function done(summary, latency)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('BENCH {"requests": %d, "failures": %d, "p50": %d, "p99": %d}\n',
    summary.requests, failures, latency:percentile(50), latency:percentile(99)))
end
