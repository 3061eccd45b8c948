"""`gp login`, `gp logout` and `gp context`: who one is, and where."""

import os
import sys
import webbrowser
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import click

from groundplane.cli.connection import PROGRAM, Connection
from groundplane.cli.contexts import DEFAULT_URL, Context, Credentials, Place, Store, at
from groundplane.cli.failures import DENIED, CommandError
from groundplane.cli.output import as_json
from groundplane.cli.paint import columns, harmless
from groundplane.sdk.errors import ApiError, ClientError
from groundplane.sdk.login import Tokens, ask_for_device, wait_for_approval, with_code, with_password
from groundplane.sdk.session import Call, Session

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def log_in(
    url: str, email: str | None, password_stdin: bool, api_key: bool, name: str, organization: str | None, project: str | None
) -> None:
    """Make a context that is logged in, and the one in use. Raises CommandError, ClientError."""
    store = Store.of_environment()
    known = store.contexts().get(name)
    where = _checked(url or (known.url if known else DEFAULT_URL))
    context = known if known and known.url == where else Context(name, where)
    if api_key:
        credentials = Credentials(api_key=_secret("API key"))
        user = ""
    else:
        with closing(Session(where, program=PROGRAM)) as session:
            tokens = _by_password(session, email, stdin=password_stdin) if email or password_stdin else _by_device(session)
        credentials = Credentials(tokens.access_token, tokens.refresh_token or "", tokens.expires_at)
        user = str(tokens.user.get("email", ""))
    if known and known.user != user:
        context = Context(name, where)
    store.save(replace(context, user=user), credentials)
    _settle(name, organization, project)


def _checked(url: str) -> str:
    """A URL that tokens may be sent to. Raises CommandError."""
    if "://" not in url:
        url = f"{'http' if urlsplit(f'//{url}').hostname in _LOOPBACK else 'https'}://{url}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(f"{url!r} is no address of a platform.", "Say it as in https://cloud.example.org")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        click.echo(f"Passwords and tokens travel to {parts.hostname} in the clear: use https.", err=True)
    return url.rstrip("/")


def _by_password(session: Session, email: str | None, *, stdin: bool) -> Tokens:
    email = email or click.prompt("E-mail", err=True)
    password = sys.stdin.readline().rstrip("\n") if stdin else _secret("Password")
    try:
        return with_password(session, email, password)
    except ApiError as error:
        if error.code != "totp_required":
            raise
        challenge = str(error.context["challenge"])
    code = click.prompt("Code of your second factor", err=True)
    return with_code(session, challenge, code.replace(" ", "").lower())


def _by_device(session: Session) -> Tokens:
    codes = ask_for_device(session)
    where, code = codes.verification_uri_complete, harmless(codes.user_code)
    open_it = "Your browser opens" if _open_browser(where) else "Open"
    click.echo(f"{open_it} {harmless(where)}\nSee that it shows this code: {click.style(code, bold=True)}", err=True)
    click.echo(f"Somebody who is logged in may also type: gp device approve {code}", err=True)
    return wait_for_approval(session, codes)


def _open_browser(url: str) -> bool:
    """Show a page to who sits before this machine; False where nobody does, and for what is no page of the web."""
    if not sys.stderr.isatty() or urlsplit(url).scheme not in {"http", "https"}:
        return False
    has_screen = sys.platform in {"darwin", "win32"} or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(has_screen) and webbrowser.open(url)


def _secret(what: str) -> str:
    """Asked for where nobody sees it; from a pipe, its first line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt(what, hide_input=True, err=True))


def _settle(name: str, organization: str | None, project: str | None) -> None:
    """Say who one is now; choose the only project there is, or the one that was said."""
    store = Store.of_environment()
    with closing(Connection(name, organization, project)) as connection:
        try:
            me = connection.session.json(Call("GET", "/api/common/v1/me"))
            places = connection.session.json(Call("GET", "/api/common/v1/me/projects"))
        except ClientError as error:
            store.delete(name)
            raise CommandError(f"The login does not work: {error}", "Try again: gp login", DENIED) from error
        who = (me.get("user") or {}).get("email") or (me.get("service_account") or {}).get("name") or ""
        context = replace(store.context(name), user=who)
        if organization or project:
            context = _moved(connection, context, organization, project)
        elif context.project is None and len(places["projects"]) == 1:
            only = places["projects"][0]
            context = at(context, Place(only["organization_id"], only["organization_name"]), Place(only["id"], only["name"]))
        store.save(context)
    click.echo(f"Logged in to {context.url} as {harmless(who)}.", err=True)
    _say_place(context)


def _say_place(context: Context) -> None:
    if context.project is not None:
        within = f"{context.organization.name}/" if context.organization else ""
        click.echo(f"Commands are about project {harmless(within + context.project.name)}.", err=True)
    elif context.organization is not None:
        click.echo(f"Commands are about organization {harmless(context.organization.name)}.", err=True)
    else:
        click.echo("Choose a project: gp context use --project NAME (see gp me projects).", err=True)


def _moved(connection: Connection, context: Context, organization: str | None, project: str | None) -> Context:
    if project:
        return at(context, *connection.find_project(project))
    return at(context, connection.find_organization(str(organization)), None)


def log_out(name: str | None) -> None:
    """End the session at the platform, and forget the tokens; the context stays. Raises CommandError."""
    store = Store.of_environment()
    context = store.context(name)
    with closing(Connection(context.name)) as connection:
        if not store.credentials(context.name).api_key:
            try:
                connection.session.json(Call("POST", "/api/common/v1/auth/logout"))
            except (ClientError, CommandError) as error:
                click.echo(f"The platform was not told: {str(error).splitlines()[0]}", err=True)
    with store.locked():
        store.keep(context.name, None)
    click.echo(f"Logged out of {context.url}.", err=True)


def list_contexts(form: str) -> None:
    """All contexts; a star marks the one in use."""
    store = Store.of_environment()
    current, known = store.current(), store.contexts()
    if form == "json":
        click.echo(as_json([{"name": name, "current": name == current, **each.to_json()} for name, each in known.items()]))
    elif form == "name":
        for name in known:
            click.echo(harmless(name))
    else:
        table = [
            ["*" if name == current else "", *map(harmless, (name, each.url, each.user or "-", *_place_names(each)))]
            for name, each in known.items()
        ]
        for line in columns(["", "NAME", "URL", "USER", "ORGANIZATION", "PROJECT"], table, None):
            click.echo(line)


def _place_names(context: Context) -> tuple[str, str]:
    organization, project = context.organization, context.project
    return organization.name if organization else "-", project.name if project else "-"


def use_context(context: str | None, organization: str | None, project: str | None) -> None:
    """Make a context the one in use, about another organization or project. Raises CommandError, ClientError."""
    store = Store.of_environment()
    chosen = store.use(context) if context else store.context()
    if organization or project:
        with closing(Connection(chosen.name, organization, project)) as connection:
            chosen = _moved(connection, chosen, organization, project)
        store.save(chosen)
    click.echo(f"Context {harmless(chosen.name)}: {chosen.url} as {harmless(chosen.user)}.", err=True)
    _say_place(chosen)


def delete_context(context: str) -> None:
    """Forget a context. Raises CommandError."""
    Store.of_environment().delete(context)
    click.echo(f"Context {harmless(context)} is forgotten.", err=True)
