// oidc-provider with a resource-bound MCP server beside it, both on loopback.
//
// usage: node oidc-provider.mjs [ACCESS_TOKEN_SECONDS]
//
// Prints one line of JSON, {"mcp": URL, "issuer": URL, "log": URL}, when both listen, and ends with
// its standard input. GET on the log's URL gives what the token endpoint was sent, secrets left out.
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { Provider, errors } from "oidc-provider";

const accessTokenSeconds = Number(process.argv[2] ?? 3600);

function listen(handler) {
  return new Promise((resolve) => {
    const server = createServer(handler);
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });
}

// Both origins are needed before either application can be made, so the handlers come later.
let authorizationServer = null;
let resourceServer = null;
const issuer = await listen((request, response) => authorizationServer(request, response));
const origin = await listen((request, response) => resourceServer(request, response));
const mcp = `${origin}/mcp`;

const provider = new Provider(issuer, {
  clientDefaults: {
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  cookies: { keys: ["for tests only"] },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_context, resource) {
        if (resource !== mcp) throw new errors.InvalidTarget();
        return { scope: "mcp:tools", audience: mcp, accessTokenFormat: "jwt" };
      },
      useGrantedResource: () => false,
    },
  },
  issueRefreshToken: (_context, client) => client.grantTypeAllowed("refresh_token"),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ["openid", "offline_access", "mcp:tools"],
  ttl: { AccessToken: accessTokenSeconds, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
});

const log = [];
provider.use(async (context, next) => {
  await next();
  const body = context.oidc?.body ?? {};
  const query = context.method === "GET" ? context.query : {};
  const asked = { ...query, ...body };
  log.push({
    method: context.method,
    path: context.path,
    status: context.status,
    grant_type: asked.grant_type,
    resource: asked.resource,
  });
});
authorizationServer = provider.callback();

const application = express();
application.use(express.json());
application.get("/.well-known/oauth-protected-resource/mcp", (_request, response) => {
  response.json({ resource: mcp, authorization_servers: [issuer], scopes_supported: ["mcp:tools"] });
});
application.get("/log", (_request, response) => response.json(log));

const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
application.use("/mcp", async (request, response, next) => {
  const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  try {
    if (scheme !== "Bearer") throw new Error("no bearer token");
    await jwtVerify(token, keys, { issuer, audience: mcp });
    next();
  } catch {
    response
      .status(401)
      .set("WWW-Authenticate", `Bearer resource_metadata="${metadata}"`)
      .json({ error: "invalid_token" });
  }
});
application.post("/mcp", async (request, response) => {
  const server = new McpServer({ name: "real", version: "1.0.0" });
  server.registerTool("ping", { description: "Answers pong" }, () => ({
    content: [{ type: "text", text: "pong" }],
  }));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});
application.all("/mcp", (_request, response) => response.status(405).end());
resourceServer = application;

console.log(JSON.stringify({ mcp, issuer, log: `${origin}/log` }));
process.stdin.resume().on("end", () => process.exit(0));
