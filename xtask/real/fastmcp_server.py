"""fastmcp on loopback, with one of its three ways to be authorised.

usage: python fastmcp_server.py VARIANT ACCESS_TOKEN_SECONDS

VARIANT is `in-memory`, `remote` (over oidc-provider) or `proxy` (OAuthProxy before oidc-provider).
Prints one line of JSON when it listens, {"mcp": URL, "log": URL}, and ends with its standard input.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import OAuthProxy, RemoteAuthProvider
from fastmcp.server.auth.providers import in_memory
from fastmcp.server.auth.providers.jwt import JWTVerifier
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions

variant, seconds = sys.argv[1], int(sys.argv[2])

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
mcp = f"{origin}/mcp"


def upstream(kind, **environment):
    """Starts oidc-provider as the authorization server of this one."""
    script = Path(__file__).with_name("oidc-provider.mjs")
    child = subprocess.Popen(
        ["node", script, kind, str(seconds)],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return child, json.loads(child.stdout.readline())


def verifier(ready, audience):
    return JWTVerifier(jwks_uri=f"{ready['issuer']}/jwks", issuer=ready["issuer"], audience=audience)


child, log_url = None, f"{origin}/log"
if variant == "in-memory":
    in_memory.DEFAULT_ACCESS_TOKEN_EXPIRY_SECONDS = seconds
    auth = in_memory.InMemoryOAuthProvider(
        base_url=origin,
        client_registration_options=ClientRegistrationOptions(enabled=True),
        revocation_options=RevocationOptions(enabled=True),
    )
elif variant == "remote":
    child, ready = upstream("public", REAL_RESOURCE=mcp)
    log_url = ready["log"]
    auth = RemoteAuthProvider(
        token_verifier=verifier(ready, mcp),
        authorization_servers=[ready["issuer"]],
        base_url=origin,
        scopes_supported=["mcp:tools"],
    )
else:
    child, ready = upstream("upstream", REAL_RESOURCE=mcp, REAL_REDIRECT=f"{origin}/auth/callback")
    auth = OAuthProxy(
        upstream_authorization_endpoint=f"{ready['issuer']}/auth",
        upstream_token_endpoint=f"{ready['issuer']}/token",
        upstream_client_id="by-hand",
        upstream_client_secret=ready["secret"],
        upstream_revocation_endpoint=f"{ready['issuer']}/token/revocation",
        token_verifier=verifier(ready, mcp),
        base_url=origin,
        jwt_signing_key="for tests only, and long enough for a key",
        fastmcp_access_token_expiry_seconds=seconds,
        valid_scopes=["mcp:tools"],
    )

server = FastMCP("real", auth=auth)


@server.tool
def ping() -> str:
    """Answers pong."""
    return "pong"


KINDS = {"/register": "register", "/token": "token", "/revoke": "revoke"}
log = []


def logged(app):
    """Logs what the endpoints are sent, secrets left out."""

    async def middleware(scope, receive, send):
        kind = KINDS.get(scope.get("path")) if scope.get("method") == "POST" else None
        if scope.get("path") == "/log":
            body = json.dumps(log).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
            return
        if kind is None:
            await app(scope, receive, send)
            return
        message = await receive()
        form = {name: values[0] for name, values in parse_qs(message.get("body", b"").decode()).items()}
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        basic = headers.get("authorization", "").startswith("Basic ")
        auth_method = "basic" if basic else "post" if "client_secret" in form else "none"

        async def again():
            return message

        async def answered(part):
            if part["type"] == "http.response.start":
                shown = {name: form.get(name) for name in ("grant_type", "resource", "scope")}
                log.append({"kind": kind, "status": part["status"], "auth": auth_method, **shown})
            await send(part)

        await app(scope, again, answered)

    return middleware


def end_with_input():
    sys.stdin.read()
    if child:
        child.stdin.close()
        child.wait()
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
print(json.dumps({"mcp": mcp, "log": log_url}), flush=True)
config = uvicorn.Config(logged(server.http_app()), log_level="info")
uvicorn.Server(config).run(sockets=[listener])
