// An MCP server that checks the signed access tokens of an authorization server beside it, and where it
// asks for them the proofs that they are bound to (RFC 9449).
import { createHash, randomUUID } from "node:crypto";
import express from "express";
import { calculateJwkThumbprint, createRemoteJWKSet, decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import { answer, isWriting } from "./common.mjs";

// RFC 9449 §9: the nonce changes while a client talks, and the next one comes with a good answer.
const NONCE_USES = 10;

// The application. It also shows `log`, to which it adds the requests that it sent back for a nonce.
export function resourceOf({ origin, mcp, issuer, jwks, isBound, scopes, log }) {
  const path = "/.well-known/oauth-protected-resource/mcp";
  const wanted = isBound ? "DPoP" : "Bearer";
  const keys = createRemoteJWKSet(new URL(jwks));
  const checkProof = proofChecker(mcp);
  const application = express();
  application.use(express.json());
  application.get(path, (_request, response) => {
    const bound = isBound ? { dpop_bound_access_tokens_required: true } : {};
    response.json({ resource: mcp, authorization_servers: [issuer], ...scopes, ...bound });
  });
  application.get("/log", (_request, response) => response.json(log));
  application.use("/mcp", async (request, response, next) => {
    const [scheme, token] = (request.headers.authorization ?? "").split(" ");
    const refuse = (status, words) => {
      const challenge = [`resource_metadata="${origin}${path}"`, ...words].join(", ");
      response.status(status).set("WWW-Authenticate", `${wanted} ${challenge}`).json({ error: "refused" });
    };
    try {
      if (scheme !== wanted) throw new Error("no token");
      const { payload } = await jwtVerify(token, keys, { issuer, audience: mcp });
      if (isBound) await checkProof(request, response, token, payload);
      const mayWrite = (payload.scope ?? "").split(" ").includes("mcp:write");
      if (isBound && isWriting(request.body) && !mayWrite) {
        refuse(403, ['error="insufficient_scope"', 'scope="mcp:write"']);
      } else next();
    } catch (error) {
      console.error(`refused: ${error.message}`);
      if (error.nonce) {
        log.push({ kind: "nonce" });
        response.set("DPoP-Nonce", error.nonce);
      }
      refuse(401, error.nonce ? ['error="use_dpop_nonce"'] : []);
    }
  });
  application.post("/mcp", answer);
  application.all("/mcp", (_request, response) => response.status(405).end());
  return application;
}

// RFC 9449 §4.3, as far as one server needs it.
function proofChecker(mcp) {
  let nonce = randomUUID();
  let uses = 0;
  const seen = new Set();
  return async (request, response, token, claims) => {
    const proof = request.headers.dpop;
    const { alg, jwk, typ } = decodeProtectedHeader(proof);
    const { payload } = await jwtVerify(proof, await importJWK(jwk, alg), { maxTokenAge: 60 });
    const ath = createHash("sha256").update(token).digest("base64url");
    const fits =
      typ === "dpop+jwt" && payload.htm === request.method && payload.htu === mcp && payload.ath === ath;
    if (!fits || claims.cnf?.jkt !== (await calculateJwkThumbprint(jwk))) throw new Error("wrong proof");
    if (seen.has(payload.jti)) throw new Error("a proof came twice");
    seen.add(payload.jti);
    if (payload.nonce !== nonce) throw Object.assign(new Error("wrong nonce"), { nonce });
    uses += 1;
    if (uses % NONCE_USES === 0) {
      nonce = randomUUID();
      response.set("DPoP-Nonce", nonce);
    }
  };
}
