// Everything memjs offers; it speaks only the binary protocol.
'use strict';

const assert = require('assert');
const memjs = require('memjs');

// Calls of shipped objects with their answers, in order.
const calls = [
  ['set:new:memjs', 'CREATED'],
  ['set:put:memjs:apple', 'SUCCESS'],
  ['set:exist:memjs:apple', 'EXISTS'],
  ['set:count:memjs', '1'],
  ['quota:new:memjs:2:month', 'CREATED'],
  ['quota:addandcheck:memjs:2', 'QUOTA_OK'],
  ['quota:addandcheck:memjs:1', 'QUOTA_EXCEEDED'],
];

async function main() {
  const client = memjs.Client.create(process.argv[2], { timeout: 30, retries: 0 });
  const text = async (key) => {
    const { value } = await client.get(key);
    return value === null ? null : value.toString();
  };
  await client.flush();
  assert.strictEqual(await client.set('a', 'value', { expires: 600 }), true);
  assert.strictEqual(await text('a'), 'value');
  assert.strictEqual(await text('absent'), null);
  assert.strictEqual(await client.add('a', 'x', {}), false);
  assert.strictEqual(await client.add('b', 'y', {}), true);
  assert.strictEqual(await client.replace('a', 'x', {}), true);
  assert.strictEqual(await client.replace('absent', 'x', {}), false);
  // prepend isn't tried: memjs 1.3.2 sends the opcode of append for it.
  assert.strictEqual(await client.append('a', 'y'), true);
  assert.strictEqual(await text('a'), 'xy');
  assert.strictEqual(await client.touch('a', 600), true);
  const big = Buffer.alloc(500000, 'b');
  assert.strictEqual(await client.set('big', big, {}), true);
  assert.ok((await client.get('big')).value.equals(big));
  assert.deepStrictEqual(await client.increment('n', 5, { initial: 10 }), { success: true, value: 10 });
  assert.deepStrictEqual(await client.increment('n', 5, {}), { success: true, value: 15 });
  assert.deepStrictEqual(await client.decrement('n', 20, {}), { success: true, value: 0 });
  assert.strictEqual(await client.delete('a'), true);
  assert.strictEqual(await client.delete('a'), false);
  await Promise.all(Array.from({ length: 200 }, (_, i) => client.set(`k${i}`, String(i), {})));
  const values = await Promise.all(Array.from({ length: 200 }, (_, i) => text(`k${i}`)));
  values.forEach((value, i) => assert.strictEqual(value, String(i)));
  for (const name of ['stats']) {
    await new Promise((resolve, reject) =>
      client[name]((error, server, answer) => (error ? reject(error) : resolve(assert.ok(answer)))));
  }
  for (const [key, answer] of calls) {
    assert.strictEqual(await text(key), answer);
  }
  client.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
