// What the servers share: ports, the log of what their endpoints were sent, an MCP server.
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

// Listens on a free port of the loopback interface. The handler may be made later.
export function listen(handler) {
  return new Promise((resolve) => {
    const server = createServer(handler);
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });
}

// How a client says who it is, without its secret.
export function authentication(headers, form) {
  if ((headers.authorization ?? "").startsWith("Basic ")) return "basic";
  if (form.client_assertion) return "jwt";
  return form.client_secret ? "post" : "none";
}

// An endpoint's request, as the checks read it.
export function entry(kind, status, headers, form) {
  return {
    kind,
    status,
    auth: authentication(headers, form),
    grant_type: form.grant_type,
    resource: form.resource,
    scope: form.scope,
  };
}

// A server with the tools `ping` and `write`. The second wants a scope of its own where tokens are bound.
export function toolServer() {
  const server = new McpServer({ name: "real", version: "1.0.0" });
  const pong = () => ({ content: [{ type: "text", text: "pong" }] });
  server.registerTool("ping", { description: "Answers pong" }, pong);
  server.registerTool("write", { description: "Answers pong to whoever may write" }, pong);
  return server;
}

// Whether an MCP request calls `write`.
export function isWriting(message) {
  return message?.method === "tools/call" && message.params?.name === "write";
}

// Answers an MCP request.
export async function answer(request, response) {
  const server = toolServer();
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
}

// Says that everything listens, and ends with standard input.
export function ready(words) {
  console.log(JSON.stringify(words));
  process.stdin.resume().on("end", () => process.exit(0));
}
