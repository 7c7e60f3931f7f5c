-- The load of run.sh --tenants on orders, for wrk:  LOAD_TOKENS=FILE LOAD_SECONDS=10 wrk -t2 -c32 -d10 -s tenants.lua http://ADDR:PORT
--
-- LOAD_TOKENS has a line "round N", then lines "KIND TENANT TOKEN": good, reader (may not write), expired, forged. Where it has
-- changed, by another file in its place, its tokens are the ones that are sent from then on. Of 100 requests 82 are good, 5 ask for
-- the health, 3 each come with an expired token, a forged one and none, 2 lack the scope and 2 a header. In the last second all are
-- good: so each refusal has been answered by the end, and its number is exact. At the end one line for programs: load NAME=NUMBER ...

local path, seconds = os.getenv("LOAD_TOKENS"), tonumber(os.getenv("LOAD_SECONDS"))
local threads = {} -- the main state's own
local tokens, round, begun, made = {}, 0, 0, 0
sent, answered = {}, {} -- read from outside: by name, by status

function setup(thread)
	table.insert(threads, thread)
end

local function read_tokens()
	local file = io.open(path)
	local now = file and tonumber(file:read("*l"):match("^round (%d+)$"))
	if now and now ~= round then
		round, tokens = now, {good = {}, reader = {}, expired = {}, forged = {}}
		for line in file:lines() do
			local kind, token = line:match("^(%S+) %S+ (%S+)$")
			table.insert(tokens[kind], "Bearer " .. token)
		end
	end
	if file then
		file:close()
	end
end

function init()
	begun = os.time()
	read_tokens()
	math.randomseed(begun)
end

local function count(name)
	sent[name] = (sent[name] or 0) + 1
end

local function ask(kind, name, method, with_id)
	local of = kind and tokens[kind]
	local headers = {["X-Request-ID"] = with_id and tostring(made) or nil, Authorization = of and of[math.random(#of)]}
	count(name)
	if method == "GET" then
		return wrk.format("GET", "/api/v1/orders/" .. 1 + made * 7919 % 10240, headers)
	end
	headers["Content-Type"] = "application/json"
	return wrk.format("POST", "/api/v1/orders", headers, '{"item":"lamp","quantity":2}')
end

function request()
	made = made + 1
	if made % 200 == 0 then
		read_tokens()
	end
	local which = made * 37 % 100
	if os.time() - begun >= seconds - 1 then
		which = which % 82
	end
	if which < 70 then
		return ask("good", "good_" .. round, "GET", true)
	elseif which < 82 then
		return ask("good", "good_" .. round, "POST", true)
	elseif which < 87 then
		count("health")
		return wrk.format("GET", "/healthz")
	elseif which < 90 then
		return ask("expired", "expired", "GET", true)
	elseif which < 93 then
		return ask("forged", "forged", "GET", true)
	elseif which < 96 then
		return ask(nil, "missing", "GET", true)
	elseif which < 98 then
		return ask("reader", "reader", "POST", true)
	end
	return ask("good", "headerless", "GET", false)
end

function response(status)
	answered[status] = (answered[status] or 0) + 1
end

function done(summary)
	local errors = summary.errors
	local line = string.format("load requests=%d duration_us=%d failed=%d", summary.requests, summary.duration,
		errors.connect + errors.read + errors.write + errors.timeout)
	local sums = {}
	for _, thread in ipairs(threads) do
		for name, n in pairs(thread:get("sent")) do
			sums["sent_" .. name] = (sums["sent_" .. name] or 0) + n
		end
		for status, n in pairs(thread:get("answered")) do
			sums["status_" .. status] = (sums["status_" .. status] or 0) + n
		end
	end
	for name, n in pairs(sums) do
		line = line .. string.format(" %s=%d", name, n)
	end
	print(line)
end
