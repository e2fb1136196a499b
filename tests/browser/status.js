// Opens the status page in light and dark, wide and narrow, and says of each what is wrong with it.
// Prints what it saw, one JSON object a line.
const { chromium } = require(process.env.MODULES + '/playwright-core');

const { CHROMIUM, PAGE, SCREENSHOTS } = process.env;

async function main() {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
  });
  for (const colorScheme of ['light', 'dark']) {
    for (const [name, width] of [['wide', 1280], ['narrow', 390]]) {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
      const page = await context.newPage();
      const errors = [];
      const asked = [];
      page.on('console', (message) => errors.push(message.text()));
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('request', (request) => asked.push(request.url()));
      const answer = await page.goto(PAGE, { waitUntil: 'load' });
      const found = await page.evaluate(() => ({
        scripts: document.scripts.length,
        background: getComputedStyle(document.body).backgroundColor,
        overflow: document.documentElement.scrollWidth - window.innerWidth,
        headings: [...document.querySelectorAll('section > h2')].map((heading) => heading.textContent),
        jobs: [...document.querySelectorAll('td.job')].map((cell) => cell.textContent),
      }));
      await page.screenshot({ path: `${SCREENSHOTS}${colorScheme}-${name}.png`, fullPage: true });
      // A browser asks for an icon of its own accord.
      const elsewhere = asked.filter((url) => url !== PAGE && !url.endsWith('/favicon.ico'));
      console.log(JSON.stringify({ colorScheme, name, status: answer.status(), errors, elsewhere, ...found }));
      await context.close();
    }
  }
  await browser.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
