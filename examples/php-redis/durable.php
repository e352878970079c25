<?php
// Durable writes and slot hints with phpredis 5.
//
//     php durable.php write|retry|fence 127.0.0.1 6379
//     php durable.php prefill 127.0.0.1 7000              a node of a cluster
//
// docs/clients/php-redis.md explains it.
declare(strict_types=1);

function connect(string $host, int $port): Redis
{
    $client = new Redis();
    // The last argument is the timeout for a reply in seconds. It has to be above
    // durable.timeout-ms.
    $client->connect($host, $port, 10, null, 0, 30);
    return $client;
}

/** Sends a command. Some error replies are exceptions in phpredis, for others it returns false. */
function call(Redis $client, string ...$command): mixed
{
    $client->clearLastError();
    $reply = $client->rawCommand(...$command);
    if ($reply === false && $client->getLastError() !== null) {
        throw new RedisException($client->getLastError());
    }
    return $reply;
}

/** The code of an error reply, such as UNACKED. */
function code(RedisException $error): string
{
    return explode(' ', $error->getMessage(), 2)[0];
}

function write(Redis $client, string $key, string $value): string
{
    try {
        call($client, 'DURABLE.SET', $key, $value);
        return "$key is durable";
    } catch (RedisException $error) {
        if (in_array(code($error), ['NOREPLICAS', 'OVERLOADED'])) {
            return "not executed: {$error->getMessage()}";
        }
        if (code($error) !== 'UNACKED') {
            throw $error;
        }
    }
    // It is on the primary. The replicas may have it by now.
    try {
        $replicas = call($client, 'DURABLE.WAIT');
        return "$key is durable, confirmed by $replicas replicas";
    } catch (RedisException $error) {
        if (code($error) !== 'UNACKED') {
            throw $error;
        }
        return "executed, not confirmed: {$error->getMessage()}";
    }
}

const AGAIN = ['UNACKED', 'UNBLOCKED', 'NOREPLICAS', 'OVERLOADED', 'READONLY', 'TRYAGAIN',
    'CLUSTERDOWN', 'MASTERDOWN', 'LOADING', 'OOM', 'MISCONF', 'BUSY'];

/** Sends a command until there is a reply. All tries have one id, so it is executed once. */
function once(string $host, int $port, string ...$command): mixed
{
    $id = bin2hex(random_bytes(16));
    $end = hrtime(true) + 60e9; // less than durable.once-ttl-ms
    $client = null;
    while (true) {
        try {
            $client ??= connect($host, $port);
            return call($client, 'DURABLE.ONCE', $id, ...$command);
        } catch (RedisException $error) {
            // phpredis has one class for error replies and for broken connections. The code of a
            // reply is in capitals.
            $isReply = preg_match('/^[A-Z]+ /', $error->getMessage());
            if ($isReply && !in_array(code($error), AGAIN)) {
                throw $error;
            }
            if (!$isReply) {
                $client = null;
            }
            if (hrtime(true) > $end) {
                throw new RuntimeException("the outcome of $id is unknown", 0, $error);
            }
        }
        usleep(50_000);
    }
}

/** @param string[] $keys */
function fence(Redis $client, array $keys): string
{
    $pipeline = $client->pipeline();
    foreach ($keys as $key) {
        $pipeline->set($key, 'v');
    }
    $pipeline->rawCommand('DURABLE.WAIT');
    try {
        $replies = $pipeline->exec();
    } catch (RedisException $error) {
        // UNACKED can only be the reply to DURABLE.WAIT.
        if (code($error) !== 'UNACKED') {
            throw $error;
        }
        return "executed, not confirmed: {$error->getMessage()}";
    }
    if (in_array(false, $replies, true)) {
        throw new RedisException($client->getLastError());
    }
    return count($keys) . ' writes, acknowledged by ' . end($replies) . ' replicas';
}

/**
 * Writes many keys of a cluster. SLOTHINT tells the owners first, so no node answers MOVED.
 * Returns the number of owners.
 *
 * @param string[] $keys
 */
function setAll(Redis $seed, string $host, array $keys): int
{
    $owners = [];
    for ($round = 0; $round < 5 && $keys !== []; $round++) {
        [, $nodes, $hints] = call($seed, 'SLOTHINT', ...$keys);
        $again = [];
        $batches = [];
        foreach ($keys as $number => $key) {
            $index = $hints[$number][1];
            if ($index === -1) {
                $again[] = $key; // the slot has no owner now
            } else {
                $batches[$index][] = $key;
            }
        }
        foreach ($batches as $index => $batch) {
            [$place, $port] = $nodes[$index];
            // null, '' and '?' mean the host of this connection.
            $place = in_array($place, [null, false, '', '?'], true) ? $host : $place;
            $owners["$place:$port"] ??= connect($place, $port);
            array_push($again, ...setBatch($owners["$place:$port"], $batch));
        }
        $keys = $again;
    }
    if ($keys !== []) {
        throw new RuntimeException('not written: ' . implode(' ', $keys));
    }
    return count($owners);
}

/**
 * Returns the keys to write again. A pipeline has one exception for all, so these are all keys.
 *
 * @param string[] $keys
 */
function setBatch(Redis $owner, array $keys): array
{
    $pipeline = $owner->pipeline();
    foreach ($keys as $key) {
        $pipeline->set($key, 'v');
    }
    try {
        $pipeline->exec();
        return [];
    } catch (RedisException $error) {
        // A slot has moved since, or is moving. The other replies are still unread.
        if (!in_array(code($error), ['MOVED', 'ASK', 'TRYAGAIN'])) {
            throw $error;
        }
        $owner->close();
        return $keys;
    }
}

[, $what, $host, $port] = $argv;
$client = connect($host, (int) $port);
$keys = array_map(fn (int $number) => "key:$number", range(0, 99));
echo match ($what) {
    'write' => write($client, 'order:1', 'paid'),
    'retry' => 'orders: ' . once($host, (int) $port, 'INCR', 'orders'),
    'fence' => fence($client, $keys),
    'prefill' => count($keys) . ' keys on ' . setAll($client, $host, $keys) . ' nodes',
}, "\n";
