// The authorization server's endpoints of MCP's SDK for TypeScript, and its check of tokens, on one origin
// of loopback.
//
// usage: node sdk.mjs VARIANT ACCESS_TOKEN_SECONDS
//
// VARIANT is `registered`. Prints one line of JSON when it listens, {"mcp": URL, "log": URL}, and ends with
// its standard input.
import { randomUUID } from "node:crypto";
import { InvalidGrantError, InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { getOAuthProtectedResourceMetadataUrl, mcpAuthRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import express from "express";
import { answer, entry, listen, ready } from "./common.mjs";

const [, seconds] = process.argv.slice(2);

let application = null;
const origin = await listen((request, response) => application(request, response));
const mcp = new URL(`${origin}/mcp`);

// What the SDK leaves to the application: who the user is, and where clients, codes and tokens are kept.
const clients = new Map();
const grants = new Map();

// Takes what a code or a refresh token stands for, which is good once.
function take(secret, client) {
  const grant = grants.get(secret);
  if (!grant || grant.client !== client.client_id) throw new InvalidGrantError("not known, or used");
  grants.delete(secret);
  return grant;
}

function issue(grant, scopes) {
  const [access, refresh] = [randomUUID(), randomUUID()];
  grants.set(refresh, grant);
  const lives = Number(seconds);
  grants.set(access, { ...grant, scopes, expiresAt: Math.floor(Date.now() / 1000) + lives });
  return {
    access_token: access,
    token_type: "bearer",
    expires_in: lives,
    refresh_token: refresh,
    scope: scopes.join(" "),
  };
}

const provider = {
  clientsStore: {
    getClient: (id) => clients.get(id),
    registerClient(client) {
      clients.set(client.client_id, client);
      return client;
    },
  },
  // Where a server would ask who the user is.
  async authorize(client, { state, scopes = [], codeChallenge, redirectUri, resource }, response) {
    const code = randomUUID();
    grants.set(code, { client: client.client_id, challenge: codeChallenge, scopes, resource });
    const next = new URL(redirectUri);
    next.searchParams.set("code", code);
    if (state) next.searchParams.set("state", state);
    response.redirect(302, next.href);
  },
  async challengeForAuthorizationCode(_client, code) {
    if (!grants.has(code)) throw new InvalidGrantError("not known");
    return grants.get(code).challenge;
  },
  async exchangeAuthorizationCode(client, code) {
    const grant = take(code, client);
    return issue(grant, grant.scopes);
  },
  async exchangeRefreshToken(client, token, scopes) {
    const grant = take(token, client);
    return issue(grant, scopes ?? grant.scopes);
  },
  async verifyAccessToken(token) {
    const found = grants.get(token);
    if (!found?.expiresAt) throw new InvalidTokenError("not known");
    return { token, clientId: found.client, ...found };
  },
  async revokeToken(_client, { token }) {
    grants.delete(token);
  },
};

const kinds = { "/register": "register", "/token": "token", "/revoke": "revoke" };
const log = [];
application = express();
application.use((request, response, next) => {
  const kind = request.method === "POST" ? kinds[request.path] : undefined;
  if (kind) {
    response.on("finish", () => log.push(entry(kind, response.statusCode, request.headers, request.body ?? {})));
  }
  next();
});
application.get("/log", (_request, response) => response.json(log));
application.use(
  mcpAuthRouter({ provider, issuerUrl: new URL(origin), resourceServerUrl: mcp, scopesSupported: ["mcp:tools"] }),
);
application.use(
  "/mcp",
  requireBearerAuth({
    verifier: provider,
    requiredScopes: ["mcp:tools"],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(mcp),
    expectedResource: mcp,
  }),
);
application.post("/mcp", express.json(), answer);
application.all("/mcp", (_request, response) => response.status(405).end());

ready({ mcp: mcp.href, log: `${origin}/log` });
