// oidc-provider with a resource-bound MCP server beside it, both on loopback.
//
// usage: node oidc-provider.mjs VARIANT ACCESS_TOKEN_SECONDS
//
// Prints one line of JSON when both listen, {"mcp": URL, "issuer": URL, "log": URL, "options": [for login]}, and
// ends with its standard input. GET on the log's URL gives what the endpoints were sent.
import express from "express";
import { Provider, errors } from "oidc-provider";
import { entry, listen, ready } from "./common.mjs";
import { resourceOf } from "./resource.mjs";

const [variant, seconds] = process.argv.slice(2);
const is = (...names) => names.includes(variant);
// fastmcp does not encode what it sends to its upstream (RFC 6749 §2.3.1); the program has to.
const SECRET = is("upstream") ? "a-secret-of-the-matrix" : "a secret of the matrix: with = and %";
const DOCUMENT = "https://client.example/hallpass.json";

// Both origins are needed before either application can be made, so the handlers come later.
let authorizationServer = null;
let resourceServer = null;
const root = await listen((request, response) => authorizationServer(request, response));
const origin = await listen((request, response) => resourceServer(request, response));
const issuer = is("path-issuer") ? `${root}/tenant/one` : root;
// Another server's authorization server knows that one's resource, and where its client comes back.
const mcp = process.env.REAL_RESOURCE ?? `${origin}/mcp`;
const redirect = process.env.REAL_REDIRECT ?? "http://127.0.0.1/callback";

const methods = { post: "client_secret_post", basic: "client_secret_basic", static: "client_secret_basic",
  upstream: "client_secret_basic" };
const scopes = is("no-scopes") ? {} : { scopes_supported: ["mcp:tools"] };

const provider = new Provider(issuer, {
  clientAuthMethods: methods[variant] ? [methods[variant]] : ["none", "client_secret_basic"],
  clientDefaults: {
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: methods[variant] ?? "none",
  },
  clients: is("static", "upstream")
    ? [
        {
          client_id: "by-hand",
          client_secret: SECRET,
          application_type: is("static") ? "native" : "web",
          redirect_uris: [redirect],
        },
      ]
    : [],
  cookies: { keys: ["for tests only"] },
  features: {
    clientIdMetadataDocument: { enabled: is("metadata-document"), ack: "draft-02" },
    devInteractions: { enabled: true },
    deviceFlow: { enabled: is("device") },
    dPoP: is("dpop") ? { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true } : { enabled: false },
    pushedAuthorizationRequests: { enabled: is("pushed"), requirePushedAuthorizationRequests: is("pushed") },
    registration: { enabled: !is("static", "upstream", "metadata-document") },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_context, resource) {
        if (resource !== mcp) throw new errors.InvalidTarget();
        return { scope: "mcp:tools mcp:write", audience: mcp, accessTokenFormat: "jwt" };
      },
      useGrantedResource: () => false,
    },
  },
  // The client's own document, from the program instead of the network.
  fetch: async (url, options) =>
    String(url) === DOCUMENT
      ? new Response(process.env.REAL_CLIENT_DOCUMENT, { headers: { "content-type": "application/json" } })
      : fetch(url, options),
  // Its own rule wants `offline_access`, and that a consent (OpenID Connect Core §11).
  ...(is("offline") ? {} : { issueRefreshToken: (_context, client) => client.grantTypeAllowed("refresh_token") }),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ["openid", "offline_access", "mcp:tools", "mcp:write"],
  ttl: { AccessToken: Number(seconds), Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
});

const kinds = {
  "/reg": "register",
  "/request": "push",
  "/device/auth": "device",
  "/token": "token",
  "/token/revocation": "revoke",
};
const log = [];
provider.use(async (context, next) => {
  // RFC 6749 §3.3: a server may have a default for who asks for no scope.
  if (is("no-scopes") && context.path === "/auth" && !context.query.scope) {
    context.query = { ...context.query, scope: "mcp:tools" };
  }
  await next();
  if (context.path.startsWith("/.well-known/") && variant === "no-scopes") {
    const { scopes_supported: _, ...rest } = context.body;
    context.body = rest;
  }
  const kind = kinds[context.path];
  if (kind && context.method === "POST") {
    log.push(entry(kind, context.status, context.headers, context.oidc?.body ?? {}));
  }
});

const before = express();
const inserted = "/.well-known/oauth-authorization-server";
if (is("oidc-only")) before.get(inserted, (_request, response) => response.status(404).end());
if (is("path-issuer")) {
  before.get(`${inserted}/tenant/one`, async (_request, response) =>
    response.json(await (await fetch(`${issuer}/.well-known/openid-configuration?inside`)).json()),
  );
  // RFC 8414 alone: the appended address is for the line above.
  before.get("/tenant/one/.well-known/*any", (request, response, next) =>
    "inside" in request.query ? next() : response.status(404).end(),
  );
}
before.use(new URL(issuer).pathname, provider.callback());
authorizationServer = before;

resourceServer = resourceOf({ origin, mcp, issuer, jwks: `${issuer}/jwks`, isBound: is("dpop"), scopes, log });

const options = {
  static: ["--client-id", "by-hand", "--client-secret-env", "REAL_CLIENT_SECRET"],
  "metadata-document": ["--client-metadata-url", DOCUMENT],
};
ready({ mcp, issuer, log: `${origin}/log`, options: options[variant] ?? [], secret: SECRET, steps_up: is("dpop"),
  nonces: is("dpop") });
