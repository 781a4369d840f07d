// An open MCP server whose calls are all answered with 32 MiB, as JSON or as one event, as fast as the client
// takes them: node large_answers.mjs PORT json|events

import http from 'node:http';

const [port, kind] = process.argv.slice(2);
const piece = Buffer.alloc(64 * 1024, 'x');
const json = kind === 'json';

function large(response, id) {
  let left = 512 - 1;
  response.writeHead(200, { 'content-type': json ? 'application/json' : 'text/event-stream' });
  response.write(`${json ? '' : 'data: '}{"jsonrpc":"2.0","id":${id},"result":{"text":"`);
  const write = () => {
    while (left-- > 0) {
      if (!response.write(piece)) return response.once('drain', write);
    }
    response.end(json ? '"}}' : '"}}\n\n');
  };
  write();
}

function small(response, id, result) {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
}

http
  .createServer(async (request, response) => {
    response.on('error', () => {});
    let body = '';
    for await (const chunk of request) body += chunk;
    const { id, method } = body ? JSON.parse(body) : {};
    if (request.method !== 'POST') response.writeHead(405).end();
    else if (id === undefined) response.writeHead(202).end();
    else if (method === 'tools/call') large(response, id);
    else if (method === 'initialize') {
      const serverInfo = { name: 'large-answers', version: '1' };
      small(response, id, { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo });
    } else small(response, id, {});
  })
  .listen(Number(port), '127.0.0.1');
