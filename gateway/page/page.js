// SPDX-License-Identifier: Apache-2.0
// Asks the gateway every second and shows what it says. What comes from requests is put in as text, never as HTML.
'use strict';

const kEveryMs = 1000;
const kKept = 120;  // samples
const kClasses = ['2xx', '3xx', '4xx', '5xx'];
const samples = [];  // {at: seconds, live}
let routes = null;
let routesVersion = -1;

const find = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function count(value) {
  if (value >= 1e6) return (value / 1e6).toFixed(1) + 'M';
  if (value >= 1e4) return (value / 1e3).toFixed(1) + 'k';
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0);
}

function bytes(value) {
  for (const unit of ['B', 'KiB', 'MiB']) {
    if (value < 1024) return (unit === 'B' ? value.toFixed(0) : value.toFixed(1)) + ' ' + unit;
    value /= 1024;
  }
  return value.toFixed(1) + ' GiB';
}

function duration(us) {
  if (us === 0) return '–';
  if (us < 1000) return us.toFixed(0) + ' µs';
  return us < 1e6 ? (us / 1000).toFixed(1) + ' ms' : (us / 1e6).toFixed(1) + ' s';
}

/** rows: arrays of text or [text, class]. */
function fill(table, titles, rows, empty) {
  const head = element('tr');
  for (const title of titles) head.append(element('th', title));
  const lines = rows.map((row) => {
    const line = element('tr');
    for (const cell of row) line.append(Array.isArray(cell) ? element('td', cell[0], cell[1]) : element('td', cell));
    return line;
  });
  if (rows.length === 0) {
    const none = element('td', empty, 'faint');
    none.colSpan = titles.length;
    const line = element('tr');
    line.append(none);
    lines.push(line);
  }
  table.replaceChildren(head, ...lines);
}

/** Per second, between two numbers of two samples. */
function rate(before, after, get) {
  const seconds = after.at - before.at;
  return seconds > 0 ? Math.max(0, (get(after.live) - get(before.live)) / seconds) : 0;
}

/** Upper edge of the bucket that holds the quantile, of counts between two samples. */
function quantile(buckets, share) {
  const all = buckets.reduce((sum, one) => sum + one.count, 0);
  let below = 0;
  for (const one of buckets) {
    below += one.count;
    if (all > 0 && below >= share * all) return one.toUs;
  }
  return 0;
}

function between(before, after) {
  const old = before ? before.live.latency.buckets : null;
  return after.live.latency.buckets.map((one, i) => ({toUs: one.toUs, count: one.count - (old ? old[i].count : 0)}));
}

function showTiles(before, now) {
  const counters = (live) => live.counters;
  const latencies = between(samples.length > 1 ? samples[Math.max(0, samples.length - 11)] : null, now);
  const p = (share) => (quantile(latencies, share) ? '< ' + duration(quantile(latencies, share)) : '–');
  const tiles = [
    ['requests/s', count(rate(before, now, (live) => counters(live).requests))],
    ['5xx/s', count(rate(before, now, (live) => counters(live).byClass['5xx']))],
    ['p50', p(0.5)],
    ['p99', p(0.99)],
    ['connections', count(now.live.counters.openConnections)],
    ['under way', count(now.live.counters.activeRequests)],
    ['in', bytes(rate(before, now, (live) => counters(live).requestBytes)) + '/s'],
    ['out', bytes(rate(before, now, (live) => counters(live).responseBytes)) + '/s'],
    ['requests', count(now.live.counters.requests)],
  ];
  find('tiles').replaceChildren(...tiles.map(([title, value]) => {
    const tile = element('div', undefined, 'tile');
    tile.append(element('b', value), element('span', title));
    return tile;
  }));
}

function showRates() {
  const points = [];
  for (let i = 1; i < samples.length; ++i)
    points.push(kClasses.map((name) => rate(samples[i - 1], samples[i], (live) => live.counters.byClass[name])));
  const most = Math.max(1, ...points.flat());
  const x = (i) => 40 + (i + kKept - points.length) * (555 / kKept);
  const y = (value) => 160 - value / most * 145;
  const parts = [drawn('line', {x1: 40, y1: 160, x2: 595, y2: 160, class: 'axis'}),
                 drawn('line', {x1: 40, y1: 15, x2: 595, y2: 15, class: 'axis'}),
                 drawn('text', {x: 36, y: 19, 'text-anchor': 'end'}, count(most)),
                 drawn('text', {x: 36, y: 164, 'text-anchor': 'end'}, '0'),
                 drawn('text', {x: 40, y: 176}, kKept + ' s ago'),
                 drawn('text', {x: 595, y: 176, 'text-anchor': 'end'}, 'now')];
  kClasses.forEach((name, k) => parts.push(drawn(
      'polyline', {class: 'line s' + name, points: points.map((row, i) => `${x(i)},${y(row[k])}`).join(' ')})));
  find('rates').replaceChildren(...parts);
  const last = points[points.length - 1] || [0, 0, 0, 0];
  find('rates-legend').replaceChildren(
      ...kClasses.map((name, k) => element('span', ` ■ ${name} ${count(last[k])} `, 't' + name)));
}

function showLatency(now) {
  const buckets = between(null, now);
  const first = buckets.findIndex((one) => one.count > 0);
  const shown = first < 0 ? [] : buckets.slice(first, buckets.findLastIndex((one) => one.count > 0) + 1);
  const most = Math.max(1, ...shown.map((one) => one.count));
  const wide = 555 / Math.max(8, shown.length);
  const parts = [drawn('line', {x1: 40, y1: 160, x2: 595, y2: 160, class: 'axis'}),
                 drawn('text', {x: 36, y: 19, 'text-anchor': 'end'}, count(most))];
  shown.forEach((one, i) => {
    const high = one.count / most * 145;
    const bar = drawn('rect', {class: 'bar', x: 42 + i * wide, y: 160 - high, width: wide - 4, height: high});
    bar.append(drawn('title', {}, `below ${duration(one.toUs)}: ${one.count}`));
    parts.push(bar, drawn('text', {x: 40 + (i + 0.5) * wide, y: 176, 'text-anchor': 'middle'}, '<' + duration(one.toUs)));
  });
  if (shown.length === 0) parts.push(drawn('text', {x: 300, y: 90, 'text-anchor': 'middle'}, 'no requests yet'));
  find('latency').replaceChildren(...parts);
}

function backendOf(live, cluster, address) {
  const found = live.clusters.find((one) => one.name === cluster);
  return (found && found.backends.find((one) => one.address === address)) || {requests: 0, failures: 0, responses5xx: 0};
}

function showBackends(before, now) {
  const rows = [];
  for (const cluster of now.live.clusters) {
    if (cluster.backends.length === 0) rows.push([cluster.name, '–', ['no endpoints', 'bad'], '', '', '', '', '']);
    for (const one of cluster.backends) {
      const per = (name) => count(rate(before, now, (live) => backendOf(live, cluster.name, one.address)[name]));
      rows.push([cluster.name, one.address, [one.state, one.state === 'available' ? 'good' : 'warn'],
                 [per('requests'), 'number'], [count(one.active), 'number'], [count(one.requests), 'number'],
                 [count(one.responses5xx), one.responses5xx ? 'number warn' : 'number'],
                 [count(one.failures), one.failures ? 'number bad' : 'number']]);
    }
  }
  fill(find('backends'), ['cluster', 'backend', 'state', 'requests/s', 'under way', 'requests', '5xx', 'failed'], rows,
       'no backends');
}

function matchText(match) {
  const kind = match.path.type;
  let text = kind === 'PathPrefix' ? match.path.value.replace(/\/?$/, '/*') : match.path.value;
  if (kind === 'RegularExpression') text = '~' + text;
  if (match.method) text = match.method + ' ' + text;
  for (const one of match.headers || []) text += ` ${one.name}: ${one.value}`;
  for (const one of match.query || []) text += ` ?${one.name}=${one.value}`;
  return text;
}

function backendsText(backends) {
  const all = backends.reduce((sum, one) => sum + one.weight, 0);
  return backends.map((one) => (one.cluster || '(invalid: 500)') +
                      (backends.length > 1 && all ? ` ${Math.round(100 * one.weight / all)} %` : '')).join(', ');
}

function showRoutes() {
  const wanted = find('filter').value.toLowerCase();
  const rows = [];
  for (const listener of routes ? routes.listeners : [])
    for (const route of listener.routes)
      for (const rule of route.rules) {
        const row = [listener.name, route.route, route.hosts.join(', ') || '*', rule.matches.map(matchText).join(' or '),
                     rule.filters.map((one) => one.type).join(', '), backendsText(rule.backends)];
        if (row.join(' ').toLowerCase().includes(wanted)) rows.push(row);
      }
  fill(find('routes'), ['listener', 'route', 'hosts', 'matches', 'filters', 'to'], rows.slice(0, 500), 'no routes');
}

function showPolicies(sections) {
  find('policies-section').hidden = sections.length === 0;
  const rows = sections.slice(0, 500).map((one) => {
    const of = (outcome) => one.requests[outcome] || 0;
    const details = one.counts.map((set) => {
      const part = Object.values(set.of || {}).map((value) => ' ' + value).join('');
      const values = Object.entries(set.values).map(([value, times]) => `${value} ${count(times)}`).join(', ');
      return `${set.name.replace('fairlead_gateway_', '')}${part}: ${values}`;
    });
    return [one.policy, one.section, [count(of('passed')), 'number'], [count(of('answered')), 'number'],
            [count(of('refused')), 'number' + (of('refused') ? ' warn' : '')],
            [count(of('failed')), 'number' + (of('failed') ? ' bad' : '')], details.join('; ')];
  });
  fill(find('policies'), ['policy', 'section', 'passed', 'answered', 'refused', 'failed', 'counts'], rows, 'none');
}

function showErrors(now) {
  const rows = now.live.failed.map((one) => [
    new Date(one.timeMs).toLocaleTimeString(), [one.status || 'none', one.status >= 500 || !one.status ? 'bad' : 'warn'],
    one.flags, `${one.method} ${one.host}${one.path}`, one.route || '–', duration(one.tookUs), one.reason]);
  fill(find('errors'), ['time', 'status', 'flags', 'request', 'route', 'took', 'reason'], rows, 'none');
}

async function ask(path) {
  const answer = await fetch(path, {cache: 'no-store'});
  if (!answer.ok) throw new Error('status ' + answer.status);
  return answer.json();
}

/** Sections of policies; none where the gateway has no configuration. */
async function askPolicies() {
  const answer = await fetch('v1/gateway/filters', {cache: 'no-store'});
  return answer.ok ? (await answer.json()).sections : [];
}

async function turn() {
  try {
    const now = {live: await ask('v1/gateway/live'), at: performance.now() / 1000};
    if (now.live.version !== routesVersion) {
      routes = await ask('v1/gateway/routes');
      routesVersion = now.live.version;
      showRoutes();
    }
    // A gateway that has started again counts from 0.
    if (samples.length && now.live.counters.requests < samples[samples.length - 1].live.counters.requests) samples.length = 0;
    const before = samples[samples.length - 1] || now;
    samples.push(now);
    if (samples.length > kKept) samples.shift();
    showTiles(before, now);
    showRates();
    showLatency(now);
    showBackends(before, now);
    showErrors(now);
    showPolicies(await askPolicies());
    const places = now.live.listeners.map((one) => `${one.protocol} ${one.addresses.join(', ')}`);
    find('state').textContent = `configuration ${now.live.version}; ${places.join('; ') || 'no listeners'}`;
    find('state').className = '';
  } catch (error) {
    find('state').textContent = 'the gateway does not answer: ' + error.message;
    find('state').className = 'bad';
  }
  setTimeout(turn, kEveryMs);
}

find('filter').addEventListener('input', showRoutes);
turn();
