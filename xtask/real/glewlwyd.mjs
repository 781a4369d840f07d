// glewlwyd on loopback with an MCP server beside it. A proxy before it logs what its endpoints are sent,
// and has a login page of its own, for which glewlwyd has a JSON API and a setting.
//
// usage: node glewlwyd.mjs VARIANT ACCESS_TOKEN_SECONDS
//
// VARIANT is `registered`, `static` or `device` (a public client that the administrator made: for devices
// none can register, since the grant has another name there), `pushed` or `dpop`. Prints one line of JSON when all listen, {"mcp": URL, "log": URL, "options": [for login]}, and
// ends with its standard input.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, request as send } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { exportJWK, generateKeyPair } from "jose";
import { entry, listen, ready } from "./common.mjs";
import { resourceOf } from "./resource.mjs";

const [variant, seconds] = process.argv.slice(2);
const is = (...names) => names.includes(variant);
const SCOPES = ["mcp:tools", "mcp:write"];
const SCHEMA = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
const MODULES = "/usr/lib/glewlwyd";

let authorizationServer = null;
let resourceServer = null;
const root = await listen((request, response) => authorizationServer(request, response));
const origin = await listen((request, response) => resourceServer(request, response));
const mcp = `${origin}/mcp`;
const issuer = `${root}/api/mcp`;

// A port that is free now, for what is told its port beforehand.
function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
const port = await freePort();
const inside = `http://127.0.0.1:${port}`;

const folder = mkdtempSync(join(tmpdir(), "hallpass-glewlwyd-"));
const database = join(folder, "database");
const made = spawnSync("sqlite3", [database], { input: readFileSync(SCHEMA) });
if (made.status !== 0) throw new Error(`sqlite3: ${made.error ?? made.stderr}`);
writeFileSync(
  join(folder, "settings"),
  `port=${port}
bind_address="127.0.0.1"
external_url="${root}/"
login_url="login"
api_prefix="api"
log_mode="console"
log_level="WARNING"
cookie_secure=0
session_key="session"
session_expiration=3600
admin_scope="g_admin"
profile_scope="g_profile"
login_api_enabled=true
admin_session_authentication="cookie"
profile_session_authentication="cookie"
user_module_path="${MODULES}/user"
client_module_path="${MODULES}/client"
user_auth_scheme_module_path="${MODULES}/scheme"
plugin_module_path="${MODULES}/plugin"
hash_algorithm="SHA512"
database={ type="sqlite3" path="${database}" };
`,
);
// The shell outlives this process by a moment: its input ends, and it ends the server.
const keeper = 'glewlwyd -c settings >&2 & cat; kill $!; rm -r "$PWD"';
spawn("sh", ["-c", keeper], { cwd: folder, stdio: ["pipe", "ignore", "inherit"] });

// One call of the JSON API. Its cookies are the administrator's, or those of the user's browser.
async function call(method, path, body, cookie) {
  const answer = await fetch(`${inside}/api${path}`, {
    method,
    headers: { "content-type": "application/json", cookie: cookie ?? "" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.headers.getSetCookie();
}

async function started() {
  for (let tries = 0; tries < 400; tries += 1) {
    try {
      return await fetch(`${inside}/api/auth/`);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("glewlwyd does not listen");
}
await started();
const [session] = await call("POST", "/auth/", { username: "admin", password: "password" });
const administrator = session.split(";")[0];
const create = (what, body) => call("POST", `/${what}/`, body, administrator);

for (const name of SCOPES) {
  await create("scope", { name, display_name: name, password_required: true, password_max_age: 0, scheme: {} });
}
await create("user", { username: "ada", password: "ada-ada-ada", scope: ["openid", ...SCOPES], enabled: true });

const { privateKey } = await generateKeyPair("ES256", { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: "one", alg: "ES256" };
const on = (...names) => Object.fromEntries(names.map((name) => [name, true]));
await create("mod/plugin", {
  module: "oidc",
  name: "mcp",
  display_name: "MCP",
  enabled: true,
  parameters: {
    iss: issuer,
    "jwks-private": JSON.stringify({ keys: [key] }),
    "default-kid": key.kid,
    "jwt-type": "ecdsa",
    "jwt-key-size": "256",
    "subject-type": "public",
    "allowed-scope": ["openid", ...SCOPES],
    "access-token-duration": Number(seconds),
    "refresh-token-duration": 3600,
    "code-duration": 60,
    "refresh-token-one-use": "always",
    ...on("jwks-show", "allow-non-oidc", "refresh-token-rolling", "oauth-as-iss-id", "pkce-allowed", "pkce-required"),
    ...on("auth-type-code-enabled", "auth-type-code-revoke-replayed", "auth-type-refresh-enabled"),
    ...on("auth-type-device-enabled", "introspection-revocation-allowed"),
    "introspection-revocation-allow-target-client": true,
    "device-authorization-expiration": 600,
    "device-authorization-interval": 1,
    "register-client-allowed": !is("static", "device"),
    "register-client-auth-scope": [],
    "register-client-credentials-scope": [],
    "register-resource-default": [mcp],
    "resource-allowed": true,
    "resource-scope": Object.fromEntries(SCOPES.map((scope) => [scope, [mcp]])),
    "oauth-dpop-allowed": is("dpop"),
    "oauth-dpop-iat-duration": 60,
    "oauth-par-allowed": is("pushed"),
    "oauth-par-required": is("pushed"),
    "oauth-par-duration": 60,
    "oauth-par-request_uri-prefix": "urn:ietf:params:oauth:request_uri:",
  },
});
// A redirect URI is compared with its port here (against RFC 8252 §7.3).
const callbackPort = await freePort();
if (is("static", "device")) {
  await create("client", {
    client_id: "by-hand",
    confidential: false,
    enabled: true,
    redirect_uri: [`http://127.0.0.1:${callbackPort}/callback`],
    authorization_type: ["code", "refresh_token", ...(is("device") ? ["device_authorization"] : [])],
    scope: [],
    resource: [mcp],
  });
}

const kinds = {
  "/api/mcp/register": "register",
  "/api/mcp/par": "push",
  "/api/mcp/device_authorization": "device",
  "/api/mcp/token": "token",
  "/api/mcp/revoke": "revoke",
};
const log = [];

// The page goes on to where glewlwyd wanted to go, which is itself.
const login = express();
const SIGN_IN =
  '<form method="post"><input name="username"><input name="password" type="password"><button type="submit">Sign in</button></form>';
login.get("/login", ({ query }, response) => {
  // At the end of a device's code it asks for nothing.
  const [title, form] = query.client_id ? ["Sign in", SIGN_IN] : ["Done", ""];
  response.send(`<!doctype html><title>${title}</title><h1>${title}</h1>${form}`);
});
login.post("/login", express.urlencoded({ extended: false }), async (request, response) => {
  const { client_id: client, scope, callback_url: callback } = request.query;
  const { username, password } = request.body;
  const cookies = await call("POST", "/auth/", { username, password }, request.headers.cookie);
  const cookie = cookies[0].split(";")[0];
  await call("PUT", `/auth/grant/${encodeURIComponent(client)}/`, { scope }, cookie);
  response.set("set-cookie", cookies);
  const next = new URL(callback);
  next.searchParams.set("g_continue", "");
  response.redirect(302, next.href);
});

authorizationServer = (request, response) => {
  // What glewlwyd names begins with two slashes: its own URL ends in one, as in Debian's settings.
  const path = request.url.split("?")[0].replaceAll("//", "/");
  if (path === "/login") {
    request.url = request.url.replace("//", "/");
    return login(request, response);
  }
  const forwarded = send(inside + request.url, { method: request.method, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  forwarded.on("error", (error) => response.destroy(error));
  const kind = request.method === "POST" ? kinds[path] : undefined;
  let body = "";
  if (kind) {
    request.on("data", (chunk) => (body += chunk));
    response.on("finish", () => {
      const form = Object.fromEntries(new URLSearchParams(body));
      log.push(entry(kind, response.statusCode, request.headers, form));
    });
  }
  return request.pipe(forwarded);
};

const scopes = { scopes_supported: ["mcp:tools"] };
resourceServer = resourceOf({ origin, mcp, issuer, jwks: `${inside}/api/mcp/jwks`, isBound: is("dpop"), scopes, log });

const byHand = ["--client-id", "by-hand", "--callback-port", String(callbackPort)];
const options = is("static", "device") ? byHand : [];
ready({ mcp, issuer, log: `${origin}/log`, options, steps_up: is("dpop"), nonces: is("dpop") });
