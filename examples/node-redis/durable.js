// Durable writes and slot hints with node-redis 4.
//
//     node durable.js write|retry|fence 127.0.0.1 6379
//     node durable.js prefill 127.0.0.1 7000              a node of a cluster
//
// docs/clients/node-redis.md explains it.
'use strict';

const { randomUUID } = require('node:crypto');
const { setTimeout: pause } = require('node:timers/promises');
const redis = require('redis');

async function connect(host, port) {
  const client = redis.createClient({ socket: { host, port } });
  // Without a listener a broken connection would end the program.
  client.on('error', () => {});
  await client.connect();
  return client;
}

// The code of an error reply, such as UNACKED. Undefined for other errors.
function codeOf(error) {
  return error instanceof redis.ErrorReply ? error.message.split(' ')[0] : undefined;
}

async function write(client, key, value) {
  try {
    await client.sendCommand(['DURABLE.SET', key, value]);
    return `${key} is durable`;
  } catch (error) {
    if (['NOREPLICAS', 'OVERLOADED'].includes(codeOf(error))) {
      return `not executed: ${error.message}`;
    }
    if (codeOf(error) !== 'UNACKED') throw error;
  }
  // It is on the primary. The replicas may have it by now.
  try {
    const replicas = await client.sendCommand(['DURABLE.WAIT']);
    return `${key} is durable, confirmed by ${replicas} replicas`;
  } catch (error) {
    if (codeOf(error) !== 'UNACKED') throw error;
    return `executed, not confirmed: ${error.message}`;
  }
}

const AGAIN = ['UNACKED', 'UNBLOCKED', 'NOREPLICAS', 'OVERLOADED', 'READONLY', 'TRYAGAIN',
  'CLUSTERDOWN', 'MASTERDOWN', 'LOADING', 'OOM', 'MISCONF', 'BUSY'];

// Sends a command until there is a reply. All tries have one id, so it is executed once.
async function once(client, ...command) {
  const id = randomUUID();
  const end = Date.now() + 60_000; // less than durable.once-ttl-ms
  for (;;) {
    try {
      return await client.sendCommand(['DURABLE.ONCE', id, ...command]);
    } catch (error) {
      const code = codeOf(error);
      // Without a code the connection broke: node-redis makes a new one.
      if (code !== undefined && !AGAIN.includes(code)) throw error;
      if (Date.now() > end) throw new Error(`the outcome of ${id} is unknown`, { cause: error });
    }
    await pause(50);
  }
}

// Commands that are sent in one turn of the event loop go out together.
async function fence(client, keys) {
  const writes = keys.map((key) => client.set(key, 'v'));
  const replies = await Promise.allSettled([...writes, client.sendCommand(['DURABLE.WAIT'])]);
  const fenced = replies.pop();
  const failed = replies.find((reply) => reply.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  if (fenced.status === 'fulfilled') {
    return `${keys.length} writes, acknowledged by ${fenced.value} replicas`;
  }
  if (codeOf(fenced.reason) !== 'UNACKED') throw fenced.reason;
  return `executed, not confirmed: ${fenced.reason.message}`;
}

// Writes many keys of a cluster. SLOTHINT tells the owners first, so no node answers MOVED.
async function setAll(seed, host, keys) {
  const owners = new Map();
  for (let round = 0; round < 5 && keys.length > 0; round += 1) {
    const [, nodes, hints] = await seed.sendCommand(['SLOTHINT', ...keys]);
    const writes = keys.map(async (key, number) => {
      const node = nodes[hints[number][1]];
      if (node === undefined) return key; // -1: the slot has no owner now
      // null, '' and '?' mean the host of this connection.
      const place = [['', '?'].includes(node[0] ?? '') ? host : node[0], node[1]];
      const name = place.join(':');
      if (!owners.has(name)) owners.set(name, connect(...place));
      try {
        await (await owners.get(name)).set(key, 'v');
        return undefined;
      } catch (error) {
        // The slot has moved since, or is moving: ask again.
        if (['MOVED', 'ASK', 'TRYAGAIN'].includes(codeOf(error))) return key;
        throw error;
      }
    });
    keys = (await Promise.all(writes)).filter((key) => key !== undefined);
  }
  await Promise.all([...owners.values()].map(async (client) => (await client).quit()));
  if (keys.length > 0) throw new Error(`not written: ${keys.join(' ')}`);
  return owners.size;
}

async function main([what, host, port]) {
  const client = await connect(host, Number(port));
  const keys = Array.from({ length: 100 }, (_, number) => `key:${number}`);
  const run = {
    write: () => write(client, 'order:1', 'paid'),
    retry: async () => `orders: ${await once(client, 'INCR', 'orders')}`,
    fence: () => fence(client, keys),
    prefill: async () => `${keys.length} keys on ${await setAll(client, host, keys)} nodes`,
  }[what];
  console.log(await run());
  await client.quit();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
