// Members of consumer groups, for every JavaScript client. A member is what a suite makes of its own consumer: `messages` that it
// read, `assignment()` as a list of `topic-partition`, and `leave()`, which may be called twice.

const assert = require('node:assert')
const { fork } = require('node:child_process')
const { eventually } = require('./cases')

// Numbered messages for each of the partitions.
const numbered = (partitions, each) =>
  Array.from({ length: partitions * each }, (_, i) => ({ partition: i % partitions, value: `v${Math.floor(i / partitions)}` }))

// The member has read the numbered messages of each partition, in order.
const readNumbered = (joined, partitions, each) => {
  for (let partition = 0; partition < partitions; partition++) {
    const values = joined.messages.filter(message => message.partition === partition).map(message => message.value.toString())
    assert.deepStrictEqual(values, Array.from({ length: each }, (_, i) => `v${i}`))
  }
}

// Runs the body with members that `member` makes and that leave afterwards, whatever happens.
const withMembers = async (member, body) => {
  const all = []
  const join = async (...args) => {
    const joined = await member(...args)
    all.push(joined)
    return joined
  }
  try {
    return await body(join)
  } finally {
    await Promise.all(all.map(joined => joined.leave()))
  }
}

// Waits until these members hold all partitions of the topic, each at least `least` and none twice.
const share = (name, partitions, least, ...members) => {
  const everything = Array.from({ length: partitions }, (_, i) => `${name}-${i}`).sort().join()
  return eventually(`${members.length} members share ${partitions} partitions`, () => {
    const held = members.map(one => one.assignment())
    return held.flat().sort().join() === everything && held.every(one => one.length >= least)
  })
}

const arrive = (joined, count) => eventually(`${count} messages`, () => joined.messages.length >= count)

// A member in a process of its own, which runs `file` with these arguments and says when it has joined; to be killed.
const otherProcess = async (file, ...args) => {
  const other = fork(file, ['member', ...args])
  await new Promise((resolve, reject) => {
    other.once('message', resolve)
    other.once('exit', code => reject(new Error(`the other member ended with ${code}`)))
  })
  other.removeAllListeners('exit')
  return other
}

// What such a process does when its member is there.
const sayJoined = async joined => {
  await eventually('there are partitions', () => joined.assignment().length > 0)
  process.send('joined')
}

module.exports = { arrive, numbered, otherProcess, readNumbered, sayJoined, share, withMembers }
