// Black-box suite: @confluentinc/kafka-javascript (librdkafka behind the words of KafkaJS), in both group protocols.

const assert = require('node:assert')
const { KafkaJS } = require('@confluentinc/kafka-javascript')
const { add, eventually, freshName, main } = require('../lib/cases')
const { arrive, numbered, otherProcess, readNumbered, sayJoined, share, withMembers } = require('../lib/members')

const { CompressionTypes, ConsumerGroupStates, ConsumerGroupTypes, ErrorCodes, Kafka, logLevel } = KafkaJS

const REVOKE = ErrorCodes.ERR__REVOKE_PARTITIONS
const kafka = new Kafka({ kafkaJS: { clientId: 'compat', brokers: [process.env.COMPAT_BOOTSTRAP], logLevel: logLevel.NOTHING } })

const withAdmin = async body => {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await body(admin)
  } finally {
    await admin.disconnect()
  }
}

const topic = async (prefix, { partitions = 1, config = {} } = {}) => {
  const name = freshName(prefix)
  const configEntries = Object.entries({ 'retention.ms': '-1', ...config }).map(([key, value]) => ({ name: key, value }))
  await withAdmin(async admin => {
    await admin.createTopics({ topics: [{ topic: name, numPartitions: partitions, configEntries }] })
    await eventually('the topic is known', async () => (await admin.listTopics()).includes(name))
  })
  return name
}

const send = async (name, messages, { compression = CompressionTypes.None, ...configs } = {}) => {
  const producer = kafka.producer({ kafkaJS: { compression, idempotent: true }, 'linger.ms': 5, ...configs })
  await producer.connect()
  try {
    return await producer.send({ topic: name, messages })
  } finally {
    await producer.disconnect()
  }
}

// A consumer in a group that keeps what it read and what it had to give up.
const member = async (protocol, group, topics, { configs = {}, settings = {} } = {}) => {
  const self = { messages: [], revoked: 0, rebalances: 0 }
  const classic = { 'session.timeout.ms': 6000, 'heartbeat.interval.ms': 200 }
  self.consumer = kafka.consumer({
    kafkaJS: { groupId: group, fromBeginning: true, autoCommit: false, ...settings },
    'group.protocol': protocol, 'topic.metadata.refresh.interval.ms': 500, 'fetch.wait.max.ms': 50,
    'fetch.message.max.bytes': 12_000_000, ...(protocol === 'classic' ? classic : {}), ...configs,
    rebalance_cb: (error, partitions) => {
      if (error.code === REVOKE) self.revoked += partitions.length
      self.rebalances += 1
    },
  })
  self.open = true
  self.leave = async () => {
    if (self.open) {
      self.open = false
      await self.consumer.disconnect()
    }
  }
  self.assignment = () => self.consumer.assignment().map(one => `${one.topic}-${one.partition}`)
  await self.consumer.connect()
  await self.consumer.subscribe({ topics })
  await self.consumer.run({
    eachMessage: async ({ topic: name, partition, message }) => self.messages.push({ name, partition, ...message }),
  })
  return self
}

const protocols = (name, body) => {
  for (const protocol of ['classic', 'consumer']) add(`${protocol}_${name}`, () => withMembers(member, join => body(protocol, join)))
}

for (const codec of ['None', 'GZIP', 'SNAPPY', 'LZ4', 'ZSTD']) {
  protocols(`group_reads_${codec.toLowerCase()}`, async (protocol, join) => {
    const name = await topic('group-codec', { partitions: 3 })
    await send(name, numbered(3, 100), { compression: CompressionTypes[codec] })
    const one = await join(protocol, freshName('reads'), [name])
    await arrive(one, 300)
    readNumbered(one, 3, 100)
  })
}

protocols('group_reads_large_messages', async (protocol, join) => {
  const name = await topic('group-large', { config: { 'max.message.bytes': '5000000' } })
  await send(name, [{ value: 'x'.repeat(4_000_000) }, { value: 'y'.repeat(4_000_000) }], { 'message.max.bytes': 5_000_000 })
  const one = await join(protocol, freshName('large'), [name])
  await arrive(one, 2)
  assert.deepStrictEqual(one.messages.map(message => message.value.length), [4_000_000, 4_000_000])
})

protocols('members_join_leave_and_crash', async (protocol, join) => {
  const [name, group] = [await topic('members', { partitions: 4 }), freshName('members')]
  const first = await join(protocol, group, [name])
  await share(name, 4, 4, first)
  const second = await join(protocol, group, [name])
  await share(name, 4, 2, first, second)
  await second.leave()
  await share(name, 4, 4, first)
  const other = await otherProcess(__filename, protocol, group, name)
  await eventually('two partitions are left', () => first.assignment().length === 2)
  other.kill('SIGKILL')
  await share(name, 4, 4, first)
})

protocols('members_keep_their_partitions', async (protocol, join) => {
  const configs = protocol === 'classic' ? { 'partition.assignment.strategy': 'cooperative-sticky' } : {}
  const [name, group] = [await topic('kept', { partitions: 4 }), freshName('kept')]
  const first = await join(protocol, group, [name], { configs })
  await share(name, 4, 4, first)
  const second = await join(protocol, group, [name], { configs })
  await share(name, 4, 2, first, second)
  assert.deepStrictEqual([first.revoked, second.revoked], [2, 0])
})

protocols('static_member_returns_without_rebalance', async (protocol, join) => {
  const [name, group] = [await topic('static', { partitions: 4 }), freshName('static')]
  const other = await join(protocol, group, [name], { configs: { 'group.instance.id': 'other' } })
  await share(name, 4, 4, other)
  const before = await join(protocol, group, [name], { configs: { 'group.instance.id': 'back-soon' } })
  await share(name, 4, 2, other, before)
  const [mine, seen] = [before.assignment().sort(), other.rebalances]
  await before.leave()
  const after = await join(protocol, group, [name], { configs: { 'group.instance.id': 'back-soon' } })
  await share(name, 4, 2, other, after)
  assert.deepStrictEqual([after.assignment().sort(), other.rebalances], [mine, seen])
})

protocols('commits_and_resumes', async (protocol, join) => {
  const [name, group] = [await topic('commits'), freshName('commits')]
  await send(name, numbered(1, 100))
  const first = await join(protocol, group, [name])
  await arrive(first, 100)
  await first.consumer.commitOffsets([{ topic: name, partition: 0, offset: '10', metadata: 'a note' }])
  const [committed] = await first.consumer.committed([{ topic: name, partition: 0 }])
  assert.deepStrictEqual([String(committed.offset), committed.metadata], ['10', 'a note'])
  await first.leave()
  const second = await join(protocol, group, [name], { settings: { autoCommit: true } })
  await arrive(second, 90)
  assert.strictEqual(second.messages[0].offset, '10')
  await second.leave()
  const [stored] = await withAdmin(admin => admin.fetchOffsets({ groupId: group, topics: [name] }))
  assert.strictEqual(String(stored.partitions[0].offset), '100')
})

protocols('seeks_pauses_and_resumes_in_a_group', async (protocol, join) => {
  const name = await topic('seek', { partitions: 2 })
  const one = await join(protocol, freshName('seek'), [name])
  await share(name, 2, 2, one)
  one.consumer.pause([{ topic: name, partitions: [0] }])
  await send(name, numbered(2, 50))
  await arrive(one, 50)
  assert(one.messages.every(message => message.partition === 1), 'the paused partition is read')
  one.consumer.resume([{ topic: name, partitions: [0] }])
  await arrive(one, 100)
  one.consumer.seek({ topic: name, partition: 1, offset: '47' })
  await arrive(one, 103)
  assert.deepStrictEqual(one.messages.slice(100).map(message => message.offset), ['47', '48', '49'])
})

protocols('subscribes_by_pattern', async (protocol, join) => {
  const prefix = freshName('pattern')
  const [first, second] = [await topic(`${prefix}-a`, { partitions: 2 }), await topic(`${prefix}-b`)]
  await topic(`not-${prefix}`)
  const one = await join(protocol, freshName('by-pattern'), [new RegExp(`^${prefix}-.*`)])
  await eventually('both topics are assigned', () => one.assignment().length === 3)
  assert.deepStrictEqual(one.assignment().sort(), [`${first}-0`, `${first}-1`, `${second}-0`].sort())
})

protocols('admin_of_groups', async (protocol, join) => {
  const [name, group] = [await topic('admin'), freshName('admin')]
  const one = await join(protocol, group, [name])
  await share(name, 1, 1, one)
  const types = [protocol === 'classic' ? ConsumerGroupTypes.CLASSIC : ConsumerGroupTypes.CONSUMER]
  await withAdmin(async admin => {
    const describe = async () => (await admin.describeGroups([group])).groups[0]
    await eventually('it is stable', async () => (await describe()).state === ConsumerGroupStates.STABLE)
    assert.strictEqual((await describe()).members.length, 1)
    const { groups } = await admin.listGroups({ matchConsumerGroupStates: [ConsumerGroupStates.STABLE], matchConsumerGroupTypes: types })
    assert(groups.some(found => found.groupId === group), 'is not listed')
    await assert.rejects(admin.deleteGroups([group]))
    await one.leave()
    await eventually('it is empty', async () => (await describe()).state === ConsumerGroupStates.EMPTY)
    await admin.deleteGroups([group])
    assert(!(await admin.listGroups()).groups.some(found => found.groupId === group), 'is still listed')
  })
})

const beAMember = async (protocol, group, name) => {
  const configs = protocol === 'classic' ? { 'session.timeout.ms': 2000 } : {}
  await sayJoined(await member(protocol, group, [name], { configs }))
}

if (process.argv[2] === 'member') beAMember(...process.argv.slice(3))
else main()
