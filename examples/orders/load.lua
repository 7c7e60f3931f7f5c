-- The load on orders, for wrk:  LOAD_CONNECTIONS=32 wrk -t2 -c32 -d10 -s load.lua http://ADDR:PORT
--
-- Of 100 requests 80 read an order, 12 place one, 5 ask for the health, 2 read an order that is not there, 1 goes astray;
-- one in 60 of those placed is no order. At the end one line for programs: load NAME=NUMBER ...
--
-- LOAD_CONNECTIONS is what -c says. wrk adds, for each answer that took longer than twice the mean, the samples it supposes
-- it would have taken meanwhile. A histogram in the service counts the requests that came, so to compare the two these are
-- taken out again: p50_us and its like are of the requests that were sent, wrk_p50_us and its like are as wrk prints them.

local MIX = 1000
local requests, next_request = {}, 0

local function make(i)
	local kind = i % 100
	if kind < 80 then
		return wrk.format("GET", "/api/v1/orders/" .. 1 + i * 7919 % 10240)
	elseif kind < 92 then
		local body = string.format('{"item":"lamp","quantity":%d}', 1 + i % 9)
		if i % 500 == 85 then
			body = "lamp"
		end
		return wrk.format("POST", "/api/v1/orders", {["Content-Type"] = "application/json"}, body)
	elseif kind < 97 then
		return wrk.format("GET", "/healthz")
	elseif kind < 99 then
		return wrk.format("GET", "/api/v1/orders/999999999")
	end
	return wrk.format("GET", "/favicon.ico")
end

function init(args)
	for i = 1, MIX do
		requests[i] = make(i * 37 % MIX) -- 37 and MIX share no factor: all of them, well stirred
	end
	next_request = #args * 31
end

function request()
	next_request = next_request % MIX + 1
	return requests[next_request]
end

-- wrk's share of samples over v microseconds, its own additions included.
local function tail(latency, v)
	local low, high = 0, 100
	if v >= latency.max then
		return 0
	end
	for _ = 1, 40 do
		local middle = (low + high) / 2
		if latency:percentile(middle) <= v then
			low = middle
		else
			high = middle
		end
	end
	return 1 - low / 100
end

-- The value below which a share q of the sent requests stayed. wrk added to each answer of n us the samples n - step,
-- n - 2 step, ..., as long as they are above step: so over a v of at least step, the additions are what is over v + step.
local function quantile(latency, q, step)
	local added = tail(latency, 2 * step)
	local low, high = 0, latency.max
	while low < high do
		local v = math.floor((low + high) / 2)
		local over = tail(latency, v) - (v < step and added or tail(latency, v + step))
		if over <= (1 - q) * (1 - added) then
			high = v
		else
			low = v + 1
		end
	end
	return low
end

function done(summary, latency)
	local connections = tonumber(os.getenv("LOAD_CONNECTIONS") or "")
	local errors = summary.errors
	local each = connections and math.floor(summary.requests / connections) or 0
	local line = string.format("load requests=%d duration_us=%d max_us=%d failed=%d", summary.requests, summary.duration,
		summary.requests > 0 and latency.max or 0, errors.connect + errors.read + errors.write + errors.timeout)
	if summary.requests > 0 then
		for _, p in ipairs({50, 95, 99}) do
			line = line .. string.format(" wrk_p%d_us=%d", p, latency:percentile(p))
			if each > 0 then
				local step = math.floor(summary.duration / each)
				line = line .. string.format(" p%d_us=%d", p, quantile(latency, p / 100, step))
			end
		end
	end
	print(line)
end
