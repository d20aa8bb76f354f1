"""The page at its address."""

from __future__ import annotations

import hmac
import sys
import webbrowser
from collections.abc import Callable, Mapping

import click
import gradio as gr
from fastapi import FastAPI, Response
from pydantic import SecretStr

from facenet.recognition import Recognizer
from facenet.serving import Listener
from facenet_studio import Options
from facenet_studio.page import STYLE, colours, make_page, theme
from facenet_studio.report import find_report
from facenet_studio.stopping import pages_let_go
from facenet_studio.uploads import private_upload_folder

GRACE = 10
"""Seconds that answers may still take once it is asked to stop."""


class Studio:
    """The page over a recognizer, on the address of the options."""

    def __init__(self, options: Options, recognizer: Recognizer) -> None:
        find_report(options.report, recognizer.config.checkpoint_path)  # whether it is there
        recognizer.store.count()  # whether there is a gallery
        self._options = options
        self._recognizer = recognizer
        self._listener = Listener(options.host, options.port)

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM; what was uploaded is gone then."""
        if self._options.auth is None and not self._listener.is_private:
            click.echo(
                "whoever reaches this page may see, add and delete people: give it passwords, with "
                "the option auth",
                err=True,
            )
        with private_upload_folder():
            self._listener.run(
                self._app(), announce=self._announce, timeout_graceful_shutdown=GRACE
            )
        return 0

    def _announce(self) -> None:
        address = self._listener.address
        click.echo(f"listening on {address} (Ctrl-C stops)", err=True)
        self._recognizer.registry.notify("service_started", name="studio", address=address)
        if self._options.open_browser and sys.stderr.isatty():
            webbrowser.open(address)

    def _app(self) -> FastAPI:
        page = make_page(self._recognizer, self._options.report)
        app = FastAPI(openapi_url=None)
        # Gradio would fetch any address for any visitor.
        app.add_api_route("/gradio_api/file=http{rest:path}", _nothing, methods=["GET", "HEAD"])
        mounted: FastAPI = gr.mount_gradio_app(
            app,
            page,
            path="/",
            app_kwargs={"lifespan": pages_let_go},
            auth=self._options.auth and password_check(self._options.auth),
            max_file_size=self._recognizer.config.images.max_bytes,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            mcp_server=False,
            ssr_mode=False,
            theme=theme(),
            css=colours(),
            css_paths=STYLE,
        )
        return mounted


def _nothing() -> Response:
    return Response(status_code=404)


def password_check(passwords: Mapping[str, SecretStr]) -> Callable[[str, str], bool]:
    """Whether a user has that password; takes as long for a user who is unknown."""

    def check(user: str, password: str) -> bool:
        known = passwords.get(user, SecretStr("")).get_secret_value()
        return hmac.compare_digest(known.encode(), password.encode()) and user in passwords

    return check
