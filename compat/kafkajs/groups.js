// Black-box suite: consumer groups with KafkaJS, which has a coordinator protocol of its own making.

const assert = require('node:assert')
const { add, eventually, freshName, main } = require('../lib/cases')
const { arrive, numbered, otherProcess, readNumbered, sayJoined, share, withMembers: withMembersOf } = require('../lib/members')
const { CompressionTypes, kafka, withAdmin, withProducer } = require('./client')

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'

const topic = async (prefix, { partitions = 1, config = {} } = {}) => {
  const name = freshName(prefix)
  const configEntries = Object.entries({ 'retention.ms': '-1', ...config }).map(([key, value]) => ({ name: key, value }))
  await withAdmin(admin =>
    admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions: partitions, configEntries }] })
  )
  return name
}

const send = (name, messages, compression) => withProducer({}, producer => producer.send({ topic: name, messages, compression }))

// A consumer in a group that keeps what it read and what was assigned to it.
const member = async (group, topics, { options = {}, run = {} } = {}) => {
  const consumer = kafka.consumer({
    groupId: group, sessionTimeout: 6000, heartbeatInterval: 200, metadataMaxAge: 500, maxWaitTimeInMs: 100,
    maxBytesPerPartition: 12_000_000, ...options,
  })
  let held = []
  const self = { consumer, messages: [], assignment: () => held }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    held = Object.entries(payload.memberAssignment).flatMap(([name, list]) => list.map(p => `${name}-${p}`))
  })
  self.leave = () => consumer.disconnect()
  await consumer.connect()
  await consumer.subscribe({ topics, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ topic: name, partition, message }) => self.messages.push({ name, partition, ...message }),
    ...run,
  })
  return self
}

const withMembers = body => withMembersOf(member, body)

for (const codec of ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']) {
  add(`group_reads_${codec.toLowerCase()}`, () => withMembers(async join => {
    const name = await topic('group-codec', { partitions: 3 })
    await send(name, numbered(3, 100), CompressionTypes[codec])
    const one = await join(freshName('reads'), [name])
    await arrive(one, 300)
    readNumbered(one, 3, 100)
  }))
}

add('group_reads_large_messages', () => withMembers(async join => {
  const name = await topic('group-large', { config: { 'max.message.bytes': '9000000' } })
  await send(name, [{ value: 'x'.repeat(4_000_000) }, { value: 'y'.repeat(4_000_000) }])
  const one = await join(freshName('large'), [name], { options: { maxBytes: 20_000_000 } })
  await arrive(one, 2)
  assert.deepStrictEqual(one.messages.map(message => message.value.length), [4_000_000, 4_000_000])
}))

add('members_join_leave_and_crash', () => withMembers(async join => {
  const [name, group] = [await topic('members', { partitions: 4 }), freshName('members')]
  const first = await join(group, [name])
  await share(name, 4, 4, first)
  const second = await join(group, [name])
  await share(name, 4, 2, first, second)
  await second.leave()
  await share(name, 4, 4, first)
  const other = await otherProcess(__filename, group, name)
  await eventually('two partitions are left', () => first.assignment().length === 2)
  other.kill('SIGKILL')
  await share(name, 4, 4, first)
}))

add('commits_and_resumes', () => withMembers(async join => {
  const [name, group] = [await topic('commits'), freshName('commits')]
  await send(name, numbered(1, 100))
  const first = await join(group, [name], { run: { autoCommit: false } })
  await arrive(first, 100)
  await first.consumer.commitOffsets([{ topic: name, partition: 0, offset: '10', metadata: 'a note' }])
  await first.leave()
  const [committed] = await withAdmin(admin => admin.fetchOffsets({ groupId: group, topics: [name] }))
  assert.deepStrictEqual([committed.partitions[0].offset, committed.partitions[0].metadata], ['10', 'a note'])
  const second = await join(group, [name], { run: { autoCommit: true, autoCommitThreshold: 1 } })
  await arrive(second, 90)
  assert.strictEqual(second.messages[0].offset, '10')
  await second.leave()
  const [resolved] = await withAdmin(admin => admin.fetchOffsets({ groupId: group, topics: [name] }))
  assert.strictEqual(resolved.partitions[0].offset, '100')
}))

add('seeks_pauses_and_resumes_in_a_group', () => withMembers(async join => {
  const name = await topic('seek', { partitions: 2 })
  const one = await join(freshName('seek'), [name])
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
}))

// KafkaJS finds the topics of a pattern once, when it subscribes.
add('subscribes_by_pattern', () => withMembers(async join => {
  const prefix = freshName('pattern')
  const [first, second] = [await topic(`${prefix}-a`, { partitions: 2 }), await topic(`${prefix}-b`)]
  await topic(`not-${prefix}`)
  const one = await join(freshName('by-pattern'), [new RegExp(`^${prefix}-.*`)])
  await eventually('both topics are assigned', () => one.assignment().length === 3)
  assert.deepStrictEqual([...one.assignment()].sort(), [`${first}-0`, `${first}-1`, `${second}-0`].sort())
}))

add('admin_of_groups', () => withMembers(async join => {
  const [name, group] = [await topic('admin'), freshName('admin')]
  const one = await join(group, [name])
  await share(name, 1, 1, one)
  await withAdmin(async admin => {
    const { groups } = await admin.describeGroups([group])
    assert.deepStrictEqual([groups[0].state, groups[0].protocolType, groups[0].members.length], ['Stable', 'consumer', 1])
    assert((await admin.listGroups()).groups.some(found => found.groupId === group), 'is not listed')
    await assert.rejects(admin.deleteGroups([group]), error => error.groups[0].error.type === 'NON_EMPTY_GROUP')
    await one.leave()
    await admin.setOffsets({ groupId: group, topic: name, partitions: [{ partition: 0, offset: '7' }] })
    const [set] = await admin.fetchOffsets({ groupId: group, topics: [name] })
    assert.strictEqual(set.partitions[0].offset, '7')
    await admin.resetOffsets({ groupId: group, topic: name, earliest: true })
    await admin.deleteGroups([group])
    assert(!(await admin.listGroups()).groups.some(found => found.groupId === group), 'is still listed')
  })
}))

const beAMember = async (group, name) => sayJoined(await member(group, [name], { options: { sessionTimeout: 2000 } }))

if (process.argv[2] === 'member') beAMember(...process.argv.slice(3))
else main()
