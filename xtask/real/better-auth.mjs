// better-auth with its MCP plugin: authorization server and MCP server on one origin of loopback.
//
// usage: node better-auth.mjs VARIANT ACCESS_TOKEN_SECONDS
//
// VARIANT is `strict` (a refresh token is good once), `grace` (for 30 s more) or `dpop`.
// Prints one line of JSON when it listens, {"mcp": URL, "log": URL}, and ends with its standard input.
import { mcp as mcpPlugin, requireMcpAuth } from "@better-auth/mcp";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { betterAuth } from "better-auth";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import express from "express";
import { entry, isWriting, listen, ready, toolServer } from "./common.mjs";

const [variant, seconds] = process.argv.slice(2);

let application = null;
const origin = await listen((request, response) => application(request, response));
const mcp = `${origin}/mcp`;
const resource = { identifier: mcp, dpopBoundAccessTokensRequired: variant === "dpop" };

const auth = betterAuth({
  baseURL: origin,
  emailAndPassword: { enabled: true },
  logger: { level: "error" },
  plugins: [
    jwt(),
    mcpPlugin({
      accessTokenExpiresIn: Number(seconds),
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
      consentPage: "/consent",
      loginPage: "/login",
      refreshTokenReuseInterval: variant === "grace" ? 30 : 0,
      resource: mcp,
      resources: [resource],
      scopes: ["openid", "profile", "email", "offline_access", "mcp:tools", "mcp:write"],
    }),
  ],
  rateLimit: { enabled: false },
  secret: "for tests only, and long enough for a secret",
  telemetry: { enabled: false },
});
await auth.api.signUpEmail({ body: { name: "Ada", email: "ada@example.com", password: "ada-ada-ada" } });

const kinds = {
  "/api/auth/oauth2/register": "register",
  "/api/auth/oauth2/token": "token",
  "/api/auth/oauth2/revoke": "revoke",
};
const log = [];
application = express();
application.use((request, response, next) => {
  const kind = request.method === "POST" ? kinds[request.path] : undefined;
  if (kind) {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    response.on("finish", () => {
      const form = Object.fromEntries(new URLSearchParams(body));
      log.push(entry(kind, response.statusCode, request.headers, form));
    });
  }
  next();
});
application.get("/log", (_request, response) => response.json(log));

// The pages that better-auth leaves to the application; their forms go on with the signed query.
const page = (title, fields) =>
  `<!doctype html><title>${title}</title><h1>${title}</h1><form method="post">${fields}</form>`;
application.get("/login", (_request, response) =>
  response.send(
    page(
      "Sign in",
      '<input name="email"><input name="password" type="password"><button type="submit">Sign in</button>',
    ),
  ),
);
application.get("/consent", (_request, response) =>
  response.send(page("Allow?", '<button type="submit" name="accept" value="yes">Allow</button>')),
);

// Hands the answer of better-auth's own endpoint to the browser as a navigation.
async function forward(request, response, path, body) {
  const answer = await auth.handler(
    new Request(`${origin}/api/auth${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", cookie: request.headers.cookie ?? "", origin },
      body: JSON.stringify({ ...body, oauth_query: request.originalUrl.split("?")[1] }),
    }),
  );
  for (const cookie of answer.headers.getSetCookie()) response.append("set-cookie", cookie);
  const words = await answer.json();
  const next = words.url ?? words.redirect_uri;
  if (!answer.ok || !next) response.status(500).send(JSON.stringify(words));
  else response.redirect(302, next);
}
const form = express.urlencoded({ extended: false });
application.post("/login", form, (request, response) =>
  forward(request, response, "/sign-in/email", { email: request.body.email, password: request.body.password }),
);
application.post("/consent", form, (request, response) =>
  forward(request, response, "/oauth2/consent", { accept: true }),
);

const serve = async (request) => {
  const server = toolServer();
  const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  await server.connect(transport);
  return transport.handleRequest(request);
};
const reading = requireMcpAuth(auth, serve, { resource: mcp, challengeScopes: ["mcp:tools"] });
const writing = requireMcpAuth(auth, serve, { resource: mcp, requiredScopes: ["mcp:write"] });
const guarded = async (request) => {
  const message = await request.clone().json();
  return variant === "dpop" && isWriting(message) ? writing(request) : reading(request);
};
application.post("/mcp", toNodeHandler({ handler: guarded }));
application.all("/mcp", (_request, response) => response.status(405).end());
application.use(toNodeHandler(auth));

ready({ mcp, log: `${origin}/log`, steps_up: variant === "dpop" });
