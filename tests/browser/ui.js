// Uses the gateway's own pages in a browser, and then rides the browser's password from a page of another site.
// Prints what it saw, one JSON object a line.
const http = require('http');
const { chromium } = require(process.env.MODULES + '/playwright-core');

const { CHROMIUM, GUARD, USER_NAME, PASSWORD, SCREENSHOT } = process.env;
const say = (step, found) => console.log(JSON.stringify({ step, found }));

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// A page of another site, on a host of its own.
function elsewhere() {
  const page = `<!doctype html><title>elsewhere</title>
    <form id="form" method="post" enctype="text/plain" action="${GUARD}/metrics/job/ridden/by/form">
    <input name="m 1&#10;# " value="x"></form>`;
  const server = http.createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(page));
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ server, url: `http://localhost:${server.address().port}/` }));
  });
}

// What the group panels of the page say.
const groups = async (page) => {
  const texts = await page.locator('#job-accordion > .card, #metrics-div .card').allInnerTexts();
  return texts.map((text) => text.replace(/\s+/g, ' ').trim());
};

async function main() {
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  const credentials = { username: USER_NAME, password: PASSWORD };
  const context = await browser.newContext({ httpCredentials: credentials });
  const page = await context.newPage();
  const statuses = [];
  page.on('response', (r) => statuses.push(`${r.request().method()} ${new URL(r.url()).pathname} ${r.status()}`));

  const home = await page.goto(GUARD + '/');
  say('home', home.status());
  await page.waitForFunction(() => window.$ && window.pushgateway);
  say('listed', await groups(page));

  const remove = page.locator('.card', { hasText: 'nightly' }).getByRole('button', { name: 'Delete Group' });
  await remove.first().click();
  await page.locator('#del-modal').getByRole('button', { name: 'Delete', exact: true }).waitFor();
  await page.waitForTimeout(500);
  say('asked', await page.locator('#del-modal-msg').innerText());
  await page.screenshot({ path: SCREENSHOT });
  const deleted = page.waitForResponse((response) => response.request().method() === 'DELETE');
  await page.locator('#del-modal').getByRole('button', { name: 'Delete', exact: true }).click();
  say('deleted', (await deleted).status());
  await page.reload();
  say('left', await groups(page));

  // The browser knows the password: a page of the guard's own may push.
  const push = (url) => page.evaluate(
    async (url) => {
      const options = { method: 'POST', body: 'm 1\n', credentials: 'include', mode: 'no-cors' };
      return fetch(url, options).then((answer) => `${answer.type} ${answer.status}`, () => 'failed');
    },
    url,
  );
  say('own page', await push(GUARD + '/metrics/job/own'));

  const foreign = await elsewhere();
  await page.goto(foreign.url);
  say('foreign push', await push(GUARD + '/metrics/job/ridden/by/fetch'));
  const remote = await page.evaluate(
    (url) => fetch(url, { method: 'DELETE', credentials: 'include' }).then((a) => a.status, () => 'failed'),
    GUARD + '/metrics/job/kept',
  );
  say('foreign delete', remote);
  const form = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.evaluate(() => document.getElementById('form').submit());
  say('foreign form', (await form).status());
  say('statuses', statuses);

  foreign.server.close();
  await browser.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
