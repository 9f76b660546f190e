// What the KafkaJS programs share: codecs, topics, reading a partition without a consumer group.

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')
const lz4 = require('lz4-napi')
const snappy = require('snappyjs')
const { ZstdCodec } = require('zstd-codec')

const XERIAL_HEADER = Buffer.from([130, 83, 78, 65, 80, 80, 89, 0])

const snappyCodec = {
  compress: async encoder => Buffer.from(snappy.compress(encoder.buffer)),
  decompress: async buffer => {
    if (!buffer.subarray(0, 8).equals(XERIAL_HEADER)) return Buffer.from(snappy.uncompress(buffer))
    const parts = []
    for (let at = 16; at < buffer.length; ) {
      const size = buffer.readUInt32BE(at)
      parts.push(Buffer.from(snappy.uncompress(buffer.subarray(at + 4, at + 4 + size))))
      at += 4 + size
    }
    return Buffer.concat(parts)
  },
}

const lz4Codec = {
  compress: async encoder => lz4.compressFrame(encoder.buffer),
  decompress: async buffer => lz4.decompressFrame(buffer),
}

const zstd = new Promise(resolve => ZstdCodec.run(loaded => resolve(new loaded.Simple())))
const zstdCodec = {
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
}

CompressionCodecs[CompressionTypes.Snappy] = () => snappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => lz4Codec
CompressionCodecs[CompressionTypes.ZSTD] = () => zstdCodec

const kafka = new Kafka({
  clientId: 'compat',
  brokers: [process.env.COMPAT_BOOTSTRAP],
  logLevel: logLevel.NOTHING,
  retry: { retries: 8, initialRetryTime: 50 },
})

// KafkaJS reads only in consumer groups; its own cluster object lets us fetch and decode without one.
const CREATE_CLUSTER = Object.getOwnPropertySymbols(kafka).find(symbol => symbol.description.endsWith('createCluster'))

const withAdmin = async body => {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await body(admin)
  } finally {
    await admin.disconnect()
  }
}

const withProducer = async (options, body) => {
  const producer = kafka.producer(options)
  await producer.connect()
  try {
    return await body(producer)
  } finally {
    await producer.disconnect()
  }
}

// Reads `count` messages of one partition, starting at `from`.
const read = async (topic, count, { partition = 0, from = 0n } = {}) => {
  const cluster = kafka[CREATE_CLUSTER]({ metadataMaxAge: 300000, isolationLevel: 0 })
  await cluster.connect()
  try {
    await cluster.addTargetTopic(topic)
    const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0]
    const broker = await cluster.findBroker({ nodeId: leader })
    const messages = []
    const deadline = Date.now() + 15000
    let next = BigInt(from)
    while (messages.length < count) {
      if (Date.now() > deadline) throw new Error(`only ${messages.length} of ${count} messages came`)
      const request = { partition, fetchOffset: next.toString(), maxBytes: 16_000_000 }
      const topics = [{ topic, partitions: [request] }]
      const answer = await broker.fetch({ replicaId: -1, isolationLevel: 0, maxWaitTime: 500, topics })
      for (const message of answer.responses[0].partitions[0].messages) {
        if (BigInt(message.offset) < next) continue
        messages.push(message)
        next = BigInt(message.offset) + 1n
      }
    }
    return messages
  } finally {
    await cluster.disconnect()
  }
}

module.exports = { CompressionTypes, kafka, read, withAdmin, withProducer }
