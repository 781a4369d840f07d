// A person with a browser: headless Chromium goes through oidc-provider's login pages.
//
// usage: node chromium.mjs CHROMIUM AUTHORIZATION_URL
//
// Ends with 0 when the page at the loopback callback is shown, and prints its heading.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, url] = process.argv.slice(2);
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
try {
  const page = await context.newPage();
  await page.goto(url);
  await page.fill('input[name="login"]', "ada");
  await page.fill('input[name="password"]', "ada");
  await page.click('button[type="submit"]');
  await page.click('button[type="submit"]');
  await page.waitForURL(/\/callback/);
  console.log(await page.textContent("h1"));
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
