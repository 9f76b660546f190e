// A member of the group of three languages: says what it has read, then commits.
//
//   node reader.js TOPIC GROUP

const { AssignerProtocol } = require('kafkajs')
const { kafka } = require('../kafkajs/client')

// KafkaJS has only an assigner that no other client knows; this one is the range assignor of all the others.
const range = ({ cluster }) => ({
  name: 'range',
  version: 0,
  protocol: ({ topics }) => ({ name: 'range', metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }) }),
  assign: async ({ members, topics }) => {
    const ids = members.map(({ memberId }) => memberId).sort()
    const assigned = Object.fromEntries(ids.map(id => [id, {}]))
    for (const topic of topics) {
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId).sort((a, b) => a - b)
      const [each, more] = [Math.floor(partitions.length / ids.length), partitions.length % ids.length]
      ids.forEach((id, index) => {
        const first = each * index + Math.min(index, more)
        assigned[id][topic] = partitions.slice(first, first + each + (index < more ? 1 : 0))
      })
    }
    return ids.map(memberId => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment: assigned[memberId], userData: Buffer.alloc(0) }),
    }))
  },
})

const main = async () => {
  const [topic, groupId] = process.argv.slice(2)
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, partitionAssigners: [range], maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const { partition, messages } = batch
      const lines = messages.map(({ offset, value }) => `${partition} ${offset} ${value.toString().split(',')[0]}\n`)
      await new Promise(resolve => process.stdout.write(lines.join(''), resolve))
      const offset = String(BigInt(batch.lastOffset()) + 1n)
      await consumer.commitOffsets([{ topic, partition, offset }])
    },
  })
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
