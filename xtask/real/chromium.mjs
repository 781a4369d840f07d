// A user with a browser: headless Chromium goes through login and consent pages.
//
// usage: node chromium.mjs CHROMIUM AUTHORIZATION_URL
//
// Ends with 0 when the page at the loopback callback is shown, and prints its heading.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ADA = { username: "ada", login: "ada", email: "ada@example.com", password: "ada-ada-ada" };
const NO = /deny|cancel|reject|abort/i;

const [executablePath, url] = process.argv.slice(2);
const callback = new URL(new URL(url).searchParams.get("redirect_uri"));
const profile = await mkdtemp(join(tmpdir(), "hallpass-chromium-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const there = (address) => address.host === callback.host && address.pathname === callback.pathname;
try {
  const page = await context.newPage();
  await page.goto(url);
  for (let step = 0; !there(new URL(page.url())) && step < 10; step += 1) {
    for (const [name, value] of Object.entries(ADA)) {
      const field = page.locator(`input[name="${name}"]`);
      if (await field.count()) await field.fill(value);
    }
    const buttons = page.locator('button[type="submit"], input[type="submit"], form button');
    const words = await buttons.evaluateAll((all) => all.map((one) => `${one.value} ${one.textContent}`));
    const yes = words.findIndex((text) => !NO.test(text));
    if (yes < 0) throw new Error(`nothing to press at ${new URL(page.url()).pathname}`);
    await Promise.all([page.waitForNavigation(), buttons.nth(yes).click()]);
  }
  console.log(await page.textContent("h1"));
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
