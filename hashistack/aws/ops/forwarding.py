"""Ports that lead to a cluster's APIs through AWS's Session Manager: `aws ssm start-session`, run on this machine."""

from __future__ import annotations

import os
import shutil
from typing import Final
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from hashistack.aws.ops import machines, session
from hashistack.aws.ops.driver import AwsDriver
from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.port_forward import Program

_INSTALL: Final = {
    "aws": "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    "session-manager-plugin": "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html",
}
_DOCUMENT: Final = "AWS-StartPortForwardingSessionToRemoteHost"


class SessionManager:
    """Sessions through the cluster's servers to its load balancer. See `ops.api.port_forward.Forwarder`.

    Raises HashistackError where the AWS CLI or its plugin is not on PATH.
    """

    remedy = (
        "look whether the cluster has sessions=True and its image AWS's agent, and whether these credentials may call "
        f"ssm:StartSession on its instances and on the document {_DOCUMENT}"
    )

    def __init__(self, connection: Connection) -> None:
        if missing := [name for name in _INSTALL if not shutil.which(name)]:
            raise HashistackError(
                f"a tunnel to AWS needs {' and '.join(missing)} on PATH",
                "install it: " + " ".join(_INSTALL[name] for name in missing),
            )
        self._connection = connection
        self._servers = {pool.name for pool in connection.pools if pool.role == "server"}

    def machines(self) -> list[str]:
        found = AwsDriver(self._connection).instances()
        return [one.name for one in found if one.pool in self._servers and one.state == "running"]

    def program(self, machine: str, address: str, port: int) -> Program:
        api = urlsplit(address)
        asked, environment = self._asked()
        return Program(
            (
                *("aws", "ssm", "start-session", "--region", str(asked.region_name)),
                *("--target", machines.instance_id(machine), "--document-name", _DOCUMENT),
                *("--parameters", f"host={api.hostname},portNumber={api.port},localPortNumber={port}"),
            ),
            environment,
        )

    def _asked(self) -> tuple[boto3.Session, dict[str, str]]:
        """As the stack's provider reaches AWS: its profile and roles become credentials of the CLI's environment."""
        try:
            asked = session.of(self._connection)
            if not (found := asked.get_credentials()):
                raise NoCredentialsError
            keys = found.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            failed = session.failure(error)
            raise HashistackError(failed.what, failed.remedy) from error
        # A profile of the environment would name other credentials, and may have an endpoint of its own.
        environment = {name: value for name, value in os.environ.items() if name != "AWS_PROFILE"}
        environment |= {"AWS_ACCESS_KEY_ID": keys.access_key or "", "AWS_SECRET_ACCESS_KEY": keys.secret_key or ""}
        environment.pop("AWS_SESSION_TOKEN", None)
        if keys.token:
            environment["AWS_SESSION_TOKEN"] = keys.token
        if url := session.endpoint(asked, "ssm"):
            environment["AWS_ENDPOINT_URL_SSM"] = url
        return asked, environment
