-- wrk asks for the tiles of LIST one after the other, each thread from a place of its own.
local paths = {}
for line in io.lines(os.getenv("LIST")) do
  paths[#paths + 1] = wrk.format("GET", os.getenv("BASE") .. line, { ["Accept-Encoding"] = "gzip" })
end
local threads = 0
function setup(thread)
  thread:set("at", math.floor(threads * #paths / 2))
  threads = threads + 1
end
function request()
  at = at % #paths + 1
  return paths[at]
end
