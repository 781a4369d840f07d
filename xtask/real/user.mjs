// A user without a browser: goes through login and consent pages by cookie.
//
// usage: node user.mjs URL
//
// Fills in what a page asks for and says yes. Ends with 0 at the first page that asks nothing, which
// is the one at the loopback callback, or the last one of a device's code.
import { request } from "node:http";

const cookies = new Map();
const ADA = { username: "ada", login: "ada", email: "ada@example.com", password: "ada-ada-ada" };

// One request as a browser makes it when it goes somewhere. `fetch` would say that it is a script.
function visit(url, form) {
  const { host, origin } = new URL(url);
  const jar = cookies.get(host) ?? new Map();
  cookies.set(host, jar);
  const headers = {
    accept: "text/html,*/*;q=0.8",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
  };
  const body = form?.toString();
  if (form) {
    Object.assign(headers, { origin, referer: url, "content-type": "application/x-www-form-urlencoded" });
    headers["content-length"] = Buffer.byteLength(body);
  }
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: form ? "POST" : "GET", headers }, async (response) => {
      for (const line of response.headers["set-cookie"] ?? []) {
        const [name, value] = line.split(";")[0].split(/=(.*)/s);
        jar.set(name, value);
      }
      let page = "";
      for await (const chunk of response.setEncoding("utf8")) page += chunk;
      resolve({ status: response.statusCode, location: response.headers.location, page });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function attributes(tag) {
  const found = {};
  for (const [, name, , raw, quoted] of tag.matchAll(/([\w-]+)(=("([^"]*)"|[^\s>]+))?/g)) {
    found[name] = unescape(quoted ?? raw ?? "");
  }
  return found;
}

function unescape(text) {
  return text.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&#x27;", "'").replaceAll("&amp;", "&");
}

// The form that says yes: its fields, ADA's answers, and the button that is not the way out.
function fill(page) {
  const start = page.match(/<form[^>]*>/i);
  if (!start) return null;
  const body = page.slice(start.index + start[0].length).split(/<\/form>/i)[0];
  const data = new URLSearchParams();
  for (const [tag] of body.matchAll(/<(input|button)\b[^>]*>/gi)) {
    const { name, type, value } = attributes(tag);
    if (!name) continue;
    if (ADA[name]) data.set(name, ADA[name]);
    else if (type === "submit" || tag.startsWith("<button")) {
      if (!/deny|cancel|reject/i.test(value ?? "")) data.set(name, value ?? "");
    } else data.append(name, value ?? "");
  }
  return { action: attributes(start[0]).action ?? "", data };
}

let url = process.argv[2];
let form;
for (let step = 0; step < 30; step += 1) {
  const { status, location, page } = await visit(url, form);
  form = undefined;
  if (location) {
    url = new URL(location, url).href;
    continue;
  }
  const next = fill(page);
  if (!next) {
    if (status !== 200) throw new Error(`${new URL(url).pathname} answered ${status}: ${page.slice(0, 500)}`);
    process.exit(0);
  }
  url = new URL(next.action || url, url).href;
  form = next.data;
}
throw new Error("the login pages go round in circles");
