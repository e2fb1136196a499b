// One call of prom-client: client.js OPERATION URL USER JOB GROUPING-KEY-AS-JSON VALUE.
// The password is in PASSWORD; COMPRESSION is gzip, or empty for none. Whatever the library rejects with ends this with its text and exit code 1.
'use strict';

const { Gauge, Histogram, Pushgateway, Registry } = require('prom-client');

const [operation, url, user, jobName, groupingKey, value] = process.argv.slice(2);
const registry = new Registry();
if (operation === 'pushadd') {
  new Gauge({ name: 'added', help: 'A family that one push adds', registers: [registry] }).set(Number(value));
} else {
  const options = { name: 'tests', help: 'Tests that ran; a "help" with \\ and quotes', labelNames: ['suite'] };
  new Gauge({ ...options, registers: [registry] }).set({ suite: 'unit "quoted" / ü' }, Number(value));
  new Histogram({ name: 'run_seconds', help: 'How long it ran', registers: [registry] }).observe(0.25);
}

const headers = process.env.COMPRESSION ? { 'Content-Encoding': process.env.COMPRESSION } : {};
const options = { auth: `${user}:${process.env.PASSWORD}`, timeout: 20000, headers };
const gateway = new Pushgateway(url, options, registry);
const call = { push: 'push', pushadd: 'pushAdd', delete: 'delete' }[operation];
gateway[call]({ jobName, groupings: JSON.parse(groupingKey) }).then(
  () => process.exit(0),
  (error) => {
    console.error(String(error));
    process.exit(1);
  },
);
