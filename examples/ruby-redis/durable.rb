# Durable writes and slot hints with redis-rb 4.
#
#     ruby durable.rb write|retry|fence 127.0.0.1 6379
#     ruby durable.rb prefill 127.0.0.1 7000              a node of a cluster
#
# docs/clients/ruby-redis.md explains it.

require "redis"
require "securerandom"

def connect(host, port)
  # The timeout, in seconds, has to be above durable.timeout-ms. Without reconnect_attempts: 0 a
  # command whose reply does not come is sent again, and executed again.
  Redis.new(host: host, port: port, timeout: 30, reconnect_attempts: 0)
end

# The code of an error reply, such as UNACKED.
def code(error)
  error.message.split(" ", 2).first
end

def write(client, key, value)
  client.call("DURABLE.SET", key, value)
  "#{key} is durable"
rescue Redis::CommandError => error
  return "not executed: #{error.message}" if %w[NOREPLICAS OVERLOADED].include?(code(error))
  raise unless code(error) == "UNACKED"

  # It is on the primary. The replicas may have it by now.
  confirm(client, key)
end

def confirm(client, key)
  "#{key} is durable, confirmed by #{client.call("DURABLE.WAIT")} replicas"
rescue Redis::CommandError => error
  raise unless code(error) == "UNACKED"

  "executed, not confirmed: #{error.message}"
end

AGAIN = %w[UNACKED UNBLOCKED NOREPLICAS OVERLOADED READONLY TRYAGAIN CLUSTERDOWN MASTERDOWN LOADING
           OOM MISCONF BUSY].freeze

# Sends a command until there is a reply. All tries have one id, so it is executed once.
def once(client, *command)
  id = SecureRandom.uuid
  deadline = now + 60 # less than durable.once-ttl-ms
  begin
    client.call("DURABLE.ONCE", id, *command)
  rescue Redis::BaseConnectionError, Redis::CommandError => error
    raise if error.is_a?(Redis::CommandError) && !AGAIN.include?(code(error))
    raise "the outcome of #{id} is unknown" if now > deadline

    # The next call connects again.
    sleep 0.05
    retry
  end
end

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

def fence(client, keys)
  replies = client.pipelined do |pipeline|
    keys.each { |key| pipeline.set(key, "v") }
    pipeline.call("DURABLE.WAIT")
  end
  "#{keys.size} writes, acknowledged by #{replies.last} replicas"
rescue Redis::CommandError => error
  # The first error of the pipeline. UNACKED can only be that of DURABLE.WAIT.
  raise unless code(error) == "UNACKED"

  "executed, not confirmed: #{error.message}"
end

# Writes many keys of a cluster. SLOTHINT tells the owners first, so no node answers MOVED.
def set_all(seed, host, keys)
  owners = {}
  5.times do
    break if keys.empty?

    _token, nodes, hints = seed.call("SLOTHINT", *keys)
    batches = keys.zip(hints).group_by { |_key, (_slot, index)| index }
    # -1: the slot has no owner now.
    again = (batches.delete(-1) || []).map(&:first)
    batches.each do |index, batch|
      place = nodes[index].first(2)
      # nil, "" and "?" mean the host of this connection.
      place[0] = host if [nil, "", "?"].include?(place[0])
      owner = owners[place] ||= connect(*place)
      again += set_batch(owner, batch.map(&:first))
    end
    keys = again
  end
  raise "not written: #{keys.join(" ")}" unless keys.empty?

  owners.size
end

# Returns the keys to write again. A pipeline raises the first error only, so these are all keys.
def set_batch(owner, keys)
  owner.pipelined do |pipeline|
    keys.each { |key| pipeline.set(key, "v") }
  end
  []
rescue Redis::CommandError => error
  # A slot has moved since, or is moving.
  raise unless %w[MOVED ASK TRYAGAIN].include?(code(error))

  keys
end

what, host, port = ARGV
client = connect(host, port.to_i)
keys = (0...100).map { |number| "key:#{number}" }
puts case what
     when "write" then write(client, "order:1", "paid")
     when "retry" then "orders: #{once(client, "INCR", "orders")}"
     when "fence" then fence(client, keys)
     when "prefill" then "#{keys.size} keys on #{set_all(client, host, keys)} nodes"
     else abort "write, retry, fence or prefill?"
     end
