"""django-oauth-toolkit on loopback, and an MCP server that asks it about each token.

usage: python django_server.py VARIANT ACCESS_TOKEN_SECONDS

VARIANT is `good`, `no-iss` (RFC 9207 is off) or `wrong-iss`: its metadata for a path names another
issuer than its callbacks do, which is what becomes of one that is told no issuer.
Prints one line of JSON when both listen, {"mcp": URL, "log": URL}, and ends with its standard input.
"""

import io
import json
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import parse_qs

import django
import uvicorn
from django.conf import settings
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier

variant, seconds = sys.argv[1], int(sys.argv[2])
folder = tempfile.TemporaryDirectory()
CHECKER = "the resource server's own secret"

LOGIN_PAGE = """<!doctype html><title>Sign in</title><h1>Sign in</h1>
<form method="post">{% csrf_token %}{{ form.as_p }}<button type="submit">Sign in</button></form>"""

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(folder.name) / "db"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": seconds,
        "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": variant != "no-iss",
        "DCR_ENABLED": True,
        "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        "SCOPES": {"mcp:tools": "Call tools"},
    },
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests only",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE}),
                    "django.template.loaders.app_directories.Loader",
                ],
            },
        }
    ],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402

urlpatterns = [
    path("accounts/login/", LoginView.as_view()),
    path("", include("oauth2_provider.urls", namespace="oauth2_provider")),
]

call_command("migrate", verbosity=0)
User.objects.create_user("ada", password="ada-ada-ada")
get_application_model().objects.create(
    name="resource server",
    client_id="resource-server",
    client_secret=CHECKER,
    client_type="confidential",
    authorization_grant_type="client-credentials",
)

KINDS = {"/register/": "register", "/token/": "token", "/revoke_token/": "revoke"}
log = []
application = get_wsgi_application()


def logged(environ, start_response):
    """Logs what the endpoints are sent, secrets left out."""
    if environ["PATH_INFO"] == "/log":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(log).encode()]
    kind = KINDS.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
    if kind is None:
        return application(environ, start_response)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    basic = environ.get("HTTP_AUTHORIZATION", "").startswith("Basic ")
    auth = "basic" if basic else "post" if "client_secret" in form else "none"
    shown = {name: form.get(name) for name in ("grant_type", "resource", "scope")}

    def answered(status, headers, *rest):
        log.append({"kind": kind, "status": int(status.split()[0]), "auth": auth, **shown})
        return start_response(status, headers, *rest)

    return application(environ, answered)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_words):
        pass


provider = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
provider.set_app(logged)
root = f"http://127.0.0.1:{provider.server_port}"
issuer = f"{root}/tenant" if variant == "wrong-iss" else root
threading.Thread(target=provider.serve_forever, daemon=True).start()

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
server = FastMCP(
    "real",
    auth=RemoteAuthProvider(
        token_verifier=IntrospectionTokenVerifier(
            introspection_url=f"{root}/introspect/",
            client_id="resource-server",
            client_secret=CHECKER,
        ),
        authorization_servers=[issuer],
        base_url=origin,
        scopes_supported=["mcp:tools"],
    ),
)


@server.tool
def ping() -> str:
    """Answers pong."""
    return "pong"


def end_with_input():
    sys.stdin.read()
    folder.cleanup()
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
ready = {"mcp": f"{origin}/mcp", "log": f"{root}/log"}
if variant == "wrong-iss":
    ready["refused"] = {"code": 4, "words": "iss"}
print(json.dumps(ready), flush=True)
uvicorn.Server(uvicorn.Config(server.http_app(), log_level="info")).run(sockets=[listener])
