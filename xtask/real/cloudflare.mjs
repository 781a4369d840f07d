// Cloudflare's OAuth provider for Workers, run by Node.js: authorization server and MCP server on one
// origin of loopback. Of a Worker's surroundings it needs a key-value namespace, which is a map here.
//
// usage: node cloudflare.mjs VARIANT ACCESS_TOKEN_SECONDS
//
// VARIANT is `registered`. It refuses tokens that live less than a minute, so that is what they live.
// Prints one line of JSON when it listens, {"mcp": URL, "log": URL}, and ends with its standard input.
import { register } from "node:module";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { toNodeHandler } from "better-call/node";
import { entry, listen, ready, toolServer } from "./common.mjs";

// The one name that it imports from the runtime of Workers.
const RUNTIME = "data:text/javascript,export class WorkerEntrypoint {}";
const HOOK = `export const resolve = (name, context, next) => name === "cloudflare:workers"
  ? { url: ${JSON.stringify(RUNTIME)}, shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
const { OAuthProvider } = await import("@cloudflare/workers-oauth-provider");

// A key-value namespace of Workers, as far as the provider uses one.
class Namespace {
  #entries = new Map();
  #live(key) {
    const found = this.#entries.get(key);
    return found && found.end > Date.now() ? found : null;
  }
  async get(key, options) {
    const value = this.#live(key)?.value ?? null;
    return value !== null && (options?.type ?? options) === "json" ? JSON.parse(value) : value;
  }
  async put(key, value, { expirationTtl, expiration, metadata } = {}) {
    const end = expiration ? expiration * 1000 : expirationTtl ? Date.now() + expirationTtl * 1000 : Infinity;
    this.#entries.set(key, { value, end, metadata });
  }
  async delete(key) {
    this.#entries.delete(key);
  }
  async list({ prefix = "" } = {}) {
    const names = [...this.#entries.keys()].filter((key) => key.startsWith(prefix) && this.#live(key));
    return { keys: names.map((name) => ({ name, metadata: this.#live(name).metadata })), list_complete: true };
  }
}

let handler = null;
const origin = await listen((request, response) => handler(request, response));
const mcp = `${origin}/mcp`;
const environment = { OAUTH_KV: new Namespace() };

const page = (title, fields) =>
  new Response(
    `<!doctype html><title>${title}</title><h1>${title}</h1><form method="post">${fields}</form>`,
    { headers: { "content-type": "text/html" } },
  );
const SIGN_IN =
  '<input name="username"><input name="password" type="password"><button type="submit">Sign in</button>';

// The page that the provider leaves to the application.
async function authorize(request, { OAUTH_PROVIDER: provider }) {
  const asked = await provider.parseAuthRequest(request.method === "GET" ? request : new Request(request.url));
  if (request.method === "GET") return page("Sign in", SIGN_IN);
  const { redirectTo } = await provider.completeAuthorization({
    request: asked,
    userId: "ada",
    metadata: {},
    scope: asked.scope,
    props: {},
  });
  return Response.redirect(redirectTo, 302);
}

const provider = new OAuthProvider({
  apiRoute: "/mcp",
  apiHandler: {
    async fetch(request) {
      if (request.method !== "POST") return new Response(null, { status: 405 });
      const server = toolServer();
      const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: undefined });
      await server.connect(transport);
      return transport.handleRequest(request);
    },
  },
  defaultHandler: {
    fetch: (request, given) =>
      new URL(request.url).pathname === "/authorize"
        ? authorize(request, given)
        : new Response("not found", { status: 404 }),
  },
  authorizeEndpoint: "/authorize",
  tokenEndpoint: "/token",
  clientRegistrationEndpoint: "/register",
  accessTokenTTL: 60,
  scopesSupported: ["mcp:tools"],
  requiredScopes: ["mcp:tools"],
  resourceMetadata: { resource: mcp, authorization_servers: [origin] },
});

// It revokes at its token endpoint, where what it is sent tells one from the other.
const kindOf = (path, form) => (path === "/register" ? "register" : "token" in form ? "revoke" : "token");
const log = [];
const serve = toNodeHandler(async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/log") return Response.json(log);
  const text = pathname === "/token" ? await request.clone().text() : "";
  const answer = await provider.fetch(request, environment, { waitUntil() {}, passThroughOnException() {} });
  if (request.method === "POST" && ["/token", "/register"].includes(pathname)) {
    const form = Object.fromEntries(new URLSearchParams(text));
    const headers = Object.fromEntries(request.headers);
    log.push(entry(kindOf(pathname, form), answer.status, headers, form));
  }
  return answer;
});
handler = serve;

ready({ mcp, log: `${origin}/log` });
