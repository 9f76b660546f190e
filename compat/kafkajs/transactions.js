// Black-box suite: transactions with KafkaJS (transaction version 1).

const assert = require('node:assert')
const { add, eventually, freshName, main } = require('../lib/cases')
const { kafka, withAdmin } = require('./client')

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'

const topic = async prefix => {
  const name = freshName(prefix)
  await withAdmin(admin => admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions: 1 }] }))
  return name
}

const withTransactions = async (transactionalId, body) => {
  const producer = kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true })
  await producer.connect()
  try {
    return await body(producer)
  } finally {
    await producer.disconnect()
  }
}

// Everything that a read_committed consumer shows.
const committed = async (name, count) => {
  const consumer = kafka.consumer({ groupId: freshName('reader'), readUncommitted: false, maxWaitTimeInMs: 100 })
  const values = []
  await consumer.connect()
  await consumer.subscribe({ topics: [name], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => values.push(message.value.toString()) })
  try {
    await eventually(`${count} committed messages`, () => values.length >= count)
  } finally {
    await consumer.disconnect()
  }
  return values
}

add('committed_and_aborted_transactions', async () => {
  const name = await topic('txn-js')
  const expected = []
  await withTransactions(name, async producer => {
    for (let turn = 0; turn < 12; turn++) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: name, messages: [{ value: `${turn}` }, { value: `${turn}` }] })
      if (turn % 3 === 1) {
        await transaction.abort()
      } else {
        await transaction.commit()
        expected.push(`${turn}`, `${turn}`)
      }
    }
  })
  assert.deepStrictEqual(await committed(name, expected.length), expected)
})

add('offsets_count_when_the_transaction_commits', async () => {
  const name = await topic('txn-js')
  const consumerGroupId = freshName('txn-js')
  await withTransactions(name, async producer => {
    for (const [offset, commits] of [['3', true], ['5', false], ['7', true]]) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: name, messages: [{ value: offset }] })
      await transaction.sendOffsets({ consumerGroupId, topics: [{ topic: name, partitions: [{ partition: 0, offset }] }] })
      await (commits ? transaction.commit() : transaction.abort())
      const expected = commits ? offset : '3'
      await withAdmin(admin =>
        eventually(`offset ${expected}`, async () => {
          const [found] = await admin.fetchOffsets({ groupId: consumerGroupId, topics: [name] })
          return found.partitions[0].offset === expected
        })
      )
    }
  })
  assert.deepStrictEqual(await committed(name, 2), ['3', '7'])
})

main()
