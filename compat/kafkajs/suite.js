// Black-box suite: KafkaJS, a client written wholly in JavaScript.

const assert = require('node:assert')
const { add, eventually, freshName, main } = require('../lib/cases')
const { CompressionTypes, read, withAdmin, withProducer } = require('./client')

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'

const topic = async (prefix, { partitions = 1, config = {} } = {}) => {
  const name = freshName(prefix)
  const configEntries = Object.entries({ 'retention.ms': '-1', ...config }).map(([key, value]) => ({ name: key, value }))
  await withAdmin(admin =>
    admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions: partitions, configEntries }] })
  )
  return name
}

const send = (name, messages, { compression, acks = -1, ...options } = {}) =>
  withProducer(options, producer => producer.send({ topic: name, messages, compression, acks }))

const text = value => (value === null || value === undefined ? null : value.toString())

const roundTrip = async (messages, options) => {
  const name = await topic('kafkajs')
  await send(name, messages.map(message => ({ ...message, partition: 0 })), options)
  const found = await read(name, messages.length)
  messages.forEach((message, index) => {
    assert.strictEqual(text(found[index].key), text(message.key), `key ${index}`)
    assert.strictEqual(text(found[index].value), text(message.value), `value ${index}`)
    assert.strictEqual(found[index].offset, String(index), `offset ${index}`)
    if (message.timestamp) assert.strictEqual(found[index].timestamp, message.timestamp, `timestamp ${index}`)
    for (const [key, value] of Object.entries(message.headers ?? {})) {
      assert.deepStrictEqual([found[index].headers[key]].flat().map(String), [value].flat(), `header ${key} of ${index}`)
    }
  })
}

const mixed = count =>
  Array.from({ length: count }, (_, i) => ({
    key: i % 7 === 0 ? null : `k${i}`,
    value: `text ${i} `.repeat(i % 11),
    timestamp: String(1_700_000_000_000 + i),
    headers: i % 3 === 0 ? { number: String(i), twice: ['first', 'second'] } : {},
  }))

for (const codec of ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']) {
  add(`round_trip_${codec.toLowerCase()}`, () => roundTrip(mixed(300), { compression: CompressionTypes[codec] }))
}

add('round_trip_idempotent', () => roundTrip(mixed(200), { idempotent: true, maxInFlightRequests: 1 }))

add('null_and_empty', () =>
  roundTrip([{ key: 'k', value: null }, { key: null, value: '' }, { key: '', value: '' }, { key: '', value: null }]))

add('every_acks', async () => {
  for (const acks of [0, 1, -1]) await roundTrip([{ value: 'one' }, { value: 'two' }], { acks })
})

add('large_message', () => roundTrip([{ value: 'x'.repeat(900_000) }]))

add('too_large_message_is_refused', async () => {
  const name = await topic('too-large', { config: { 'max.message.bytes': '1000' } })
  await assert.rejects(send(name, [{ value: 'x'.repeat(5000) }], { retry: { retries: 1 } }), /larger than the max message size|too large/)
})

add('seek_by_offset_and_time', async () => {
  const name = await topic('seek')
  await send(name, Array.from({ length: 300 }, (_, i) => ({ value: `v${i}`, partition: 0, timestamp: String(1000 + i) })))
  const [message] = await read(name, 1, { from: 137n })
  assert.strictEqual(message.value.toString(), 'v137')
  const [byTime] = await withAdmin(admin => admin.fetchTopicOffsetsByTimestamp(name, 1222))
  assert.strictEqual(byTime.offset, '222')
  const [ends] = await withAdmin(admin => admin.fetchTopicOffsets(name))
  assert.deepStrictEqual([ends.low, ends.high], ['0', '300'])
})

add('admin_topics_partitions_records_configs', async () => {
  const name = await topic('admin', { partitions: 2, config: { 'segment.bytes': '2000000' } })
  await withAdmin(async admin => {
    assert((await admin.listTopics()).includes(name), 'the topic is listed')
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: 5 }] })
    await eventually('there are five', async () => (await admin.fetchTopicMetadata({ topics: [name] })).topics[0].partitions.length === 5)
    const described = await admin.describeConfigs({ resources: [{ type: 2, name, configNames: ['segment.bytes'] }] })
    assert.strictEqual(described.resources[0].configEntries[0].configValue, '2000000')
    await send(name, Array.from({ length: 10 }, (_, i) => ({ value: `v${i}`, partition: 0 })))
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '4' }] })
    const low = (await admin.fetchTopicOffsets(name)).find(found => found.partition === 0).low
    assert.strictEqual(low, '4')
    const cluster = await admin.describeCluster()
    assert.strictEqual(`${cluster.brokers[0].host}:${cluster.brokers[0].port}`, process.env.COMPAT_BOOTSTRAP)
    await admin.deleteTopics({ topics: [name] })
    await eventually('it is gone', async () => !(await admin.listTopics()).includes(name))
  })
})

add('creating_a_topic_twice_says_so', async () => {
  const name = await topic('twice')
  assert.strictEqual(await withAdmin(admin => admin.createTopics({ topics: [{ topic: name }] })), false)
})

main()
