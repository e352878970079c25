-- Figures of redis-durable for redis_exporter: start it with -script durable.lua
--
-- redis_exporter exports only the fields of INFO that it knows, and no module's own. It does export
-- what a script returns: redis_script_values{key="durable_waiters"} 3. prometheus.yaml renames that
-- to durable_waiters. The script only reads.
local reply = {}
local function add(name, value)
    reply[#reply + 1] = name
    reply[#reply + 1] = value
end

-- Numbers only: the exporter drops all values if one is text. The token of the slot map is a hash.
for name, value in string.gmatch(redis.call('INFO', 'durable'), '(durable_[%w_]+):(%-?%d+)\r\n') do
    if name ~= 'durable_slothint_token' then
        add(name, value)
    end
end

-- durable_requirement_met is always 0 on a replica, so the alert has to know the role.
if #reply > 0 then
    local role = string.match(redis.call('INFO', 'replication'), 'role:(%a+)')
    add('durable_primary', role == 'master' and '1' or '0')
end
return reply
