"""What stands below the options in `--help`."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final = {
    "cost": """\b
Examples:
  hashistack cost                     of the stack's cluster
  hashistack cost --spec cluster.yaml --platform aws --region us-east-1
  hashistack cost --prices ours.json  your own prices come first
""",
    "explain": """\b
Examples:
  hashistack config explain                   the sections
  hashistack config explain clients.upgrade   a section
  hashistack config explain clients.min       one setting
  hashistack config explain -o json           all of them, an object a line
""",
    "gc": """\b
Examples:
  hashistack up --ttl 4h              a cluster that may go after four hours
  hashistack gc                       what has expired on this machine; removes nothing
  hashistack gc --yes
  hashistack gc --run $HASHISTACK_RUN --yes   of one job of a CI, which has set it for itself

\b
Exit codes: 0 nothing is left to remove, 1 there is something (without --yes),
2 something could not be removed.
""",
    "graph": """\b
Examples:
  hashistack graph -o svg > cluster.svg          as it is now; open it in a browser
  hashistack graph > cluster.md                  Mermaid, for a page that draws it
  hashistack graph --spec cluster.yaml -o svg    what a specification declares
""",
    "init": """\b
Examples:
  hashistack init shop                a local cluster called shop, in the new directory shop
  hashistack init --template aws prod
  hashistack init --list              the templates
""",
    "inventory": """\b
Examples:
  printf '#!/bin/sh\\nexec hashistack inventory "$@"\\n' > inventory; chmod +x inventory
  ansible -i inventory pool_workers -m raw -a 'nomad version'
""",
    "run": """\b
Examples:
  hashistack run web.nomad.hcl
  hashistack run web.nomad.hcl -var image=nginx:1.27 -var-file prod.hcl
  hashistack run web.nomad.hcl --dry-run
  nomad-pack render web | hashistack run -

\b
Exit codes: 0 healthy (a batch job: ended well), 1 it failed, 2 the file or
the cluster is not as it has to be. With --dry-run, 1: there is something to do.
""",
    "logs": """\b
Examples:
  hashistack logs web                 all that runs of job web
  hashistack logs web -f -n 20        go on; also with allocations that come later
  hashistack logs 1f6c --stderr       one allocation, by the start of its id
""",
    "execute": """\b
Examples:
  hashistack exec web                 a shell in the first allocation of job web
  hashistack exec web --task proxy -- nginx -T
  hashistack exec 1f6c -- ls -l       one allocation, by the start of its id

\b
The exit code is that of CMD.
""",
    "smoke": """\b
Examples:
  hashistack smoke --account -C prod
  hashistack smoke --account -C prod --image debian --report debian.md

\b
Exit codes: 0 all held, 1 not all of it did (the report says what),
2 it could not be tried.
""",
    "scale": """\b
Examples:
  hashistack scale web=8
  hashistack scale web=2 --dry-run    what would leave, and what work it has
  hashistack scale server=5

\b
Exit codes: 0 done, or nothing to do; 1 there is something to do (--dry-run);
2 it can't be done.
""",
    "support": """\b
Examples:
  hashistack support                  NAME-support-TIME.tar.gz in this directory
  tar tzf shop-1f2e-support-*.tar.gz
""",
    "tunnel": """\b
Examples:
  hashistack tunnel -C examples/prod           in a shell of its own; Ctrl-C closes it
  hashistack status -C examples/prod           in another one: finds it
  eval "$(hashistack env -C examples/prod)"    nomad, consul and vault take it too
""",
    "ui": """\b
Examples:
  hashistack ui                       all three, and Nomad's in the browser
  hashistack ui consul --token        Consul's, with the token to log in
  hashistack ui --print               the clusters' own addresses, and how a browser trusts them
""",
}
"""Function of a command to its examples."""
