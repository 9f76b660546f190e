// Named cases for the JavaScript suites: one line for each on standard output, as compat/README.md asks.

const run = (Date.now() % 100_000_000).toString(36)
let names = 0
const cases = []

const add = (name, body) => cases.push([name, body])

// A name that no other case uses.
const freshName = prefix => `${prefix}-${run}-${++names}`

// Asks again until the condition holds and returns what it returned.
const eventually = async (what, condition, seconds = 20) => {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`did not happen within ${seconds} s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

// Runs every case whose name holds COMPAT_CASE, and exits.
const main = async () => {
  const only = process.env.COMPAT_CASE ?? ''
  let failed = 0
  for (const [name, body] of cases.filter(([name]) => name.includes(only))) {
    const started = Date.now()
    try {
      await body()
      console.log(`ok ${name}`)
    } catch (error) {
      failed += 1
      console.log(`not ok ${name}: ${String(error.message).replace(/\s+/g, ' ')}`)
      console.error(error)
    }
    console.error(`${name} took ${Date.now() - started} ms`)
  }
  process.exit(failed === 0 ? 0 : 1)
}

module.exports = { add, eventually, freshName, main }
