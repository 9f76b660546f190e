// A test with a broker of its own: `node --test`. Needs `npm install kafkajs`, and `ottla` on PATH (or OTTLA=/path/to/ottla).

const assert = require('node:assert')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { createInterface } = require('node:readline')
const test = require('node:test')
const { Kafka } = require('kafkajs')

/** Starts a broker in memory on a free port. */
async function startOttla() {
  const command = ['serve', '--data-dir', ':memory:', '--listen', '127.0.0.1:0', '--print-address', '--stop-with-stdin']
  // With the pipe, the broker also ends when this process dies.
  const broker = spawn(process.env.OTTLA ?? 'ottla', command, { stdio: ['pipe', 'pipe', 'inherit'] })
  const [address] = await once(createInterface(broker.stdout), 'line')
  const stop = async () => {
    broker.stdin.end()
    await once(broker, 'exit')
  }
  return { brokers: [address], stop }
}

test('an order reaches the kitchen', async () => {
  const ottla = await startOttla()
  const kafka = new Kafka({ brokers: ottla.brokers })

  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: 'orders', messages: [{ value: 'two coffees' }] })
  await producer.disconnect()

  const consumer = kafka.consumer({ groupId: 'kitchen' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders', fromBeginning: true })
  const value = await new Promise((resolve) => {
    consumer.run({ eachMessage: async ({ message }) => resolve(message.value.toString()) })
  })
  await consumer.disconnect()
  await ottla.stop()
  assert.strictEqual(value, 'two coffees')
})
