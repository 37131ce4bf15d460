"""Who can reach the page: under which names it answers, and whether only this machine's own users do."""

import argparse
import ipaddress
import os
import re
from urllib.parse import urlsplit

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def add_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--allowed-hosts", type=_host, nargs="+", metavar="NAME",
        help="names under which the page answers, such as example.org or *.example.org; '*' is any (default: on a loopback "
             "address this machine's own, else any)",
    )  # fmt: skip
    serve.add_argument(
        "--any-model", action="store_true",
        help="let readers compare models that they name, folders of this machine and Hub models, also where the page can be "
             "reached from elsewhere",
    )  # fmt: skip


def address(value: str) -> str:
    """An address to listen on; one of IPv6 in brackets, as Gradio and uvicorn write it before a port."""
    try:
        return f"[{value}]" if ipaddress.ip_address(value).version == 6 else value
    except ValueError:
        return value


def _host(value: str) -> str:
    if not re.fullmatch(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*|[0-9a-fA-F]*:[0-9a-fA-F:.]+", value):
        raise argparse.ArgumentTypeError(f"'{value}' is no host name; give it without scheme, port and path, as example.org")
    return value


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(arguments: argparse.Namespace) -> bool:
    """Whether all readers are on this machine, as far as can be told: no proxy, tunnel or Space is in front."""
    is_passed_on = arguments.share or arguments.root_path or arguments.allowed_hosts or "SPACE_ID" in os.environ
    return is_loopback(arguments.host) and not is_passed_on


def hosts(arguments: argparse.Namespace) -> list[str]:
    """Names under which the page answers.

    Without a list of names, a page elsewhere could have its own name point to this machine and then read what only this
    machine should (DNS rebinding). A tunnel and a Space have names that only they know.
    """
    given = arguments.allowed_hosts
    if given is None and (arguments.share or "SPACE_ID" in os.environ or not is_loopback(arguments.host)):
        return ["*"]
    behind = (urlsplit(arguments.root_path).hostname, os.environ.get("SPACE_HOST"))
    names = [*THIS_MACHINE, arguments.host.strip("[]"), *(given or ()), *filter(None, behind)]
    return [f"[{name}]" if ":" in name else name for name in names]  # as browsers write IPv6
