// SPDX-License-Identifier: Apache-2.0
// Of http-tests/cache-tests: counts of outcomes by kind, and what failed.
// Usage: node cache_results.mjs CHECKOUT RESULTS.json
import fs from 'fs'
import path from 'path'
import { pathToFileURL } from 'url'

const [checkout, results] = process.argv.slice(2)
const load = file => import(pathToFileURL(path.resolve(checkout, file)))
const suites = (await load('tests/index.mjs')).default
const { determineTestResult, resultTypes } = await load('test-engine/lib/results.mjs')
const found = JSON.parse(fs.readFileSync(results))
const nameOf = type => Object.keys(resultTypes).find(name => resultTypes[name] === type)
const out = { counts: {}, failed: [] }
for (const suite of suites) {
  for (const test of suite.tests) {
    if (test.browser_only) continue
    const kind = test.kind || 'required'
    const outcome = nameOf(determineTestResult(suites, test.id, found, false))
    const counts = (out.counts[kind] ||= {})
    counts[outcome] = (counts[outcome] || 0) + 1
    if (outcome === 'fail' || outcome === 'harness_fail' || outcome === 'untested') out.failed.push(`${test.id}: ${test.name}`)
  }
}
console.log(JSON.stringify(out))
