// Feeds every second line of a file, the odd ones, keyed by line number: the second of the two producers.
//
//   node feed.js FILE TOPIC

const fs = require('node:fs')
const { CompressionTypes, withProducer } = require('../kafkajs/client')

const BATCH = 2000

const main = async () => {
  const [file, topic] = process.argv.slice(2)
  const lines = fs.readFileSync(file, 'utf8').split('\n')
  const messages = lines.map((value, number) => ({ key: String(number), value })).filter((_, number) => number % 2 === 1)
  await withProducer({ idempotent: true, maxInFlightRequests: 1 }, async producer => {
    for (let at = 0; at < messages.length; at += BATCH) {
      await producer.send({ topic, messages: messages.slice(at, at + BATCH), compression: CompressionTypes.GZIP })
    }
  })
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
