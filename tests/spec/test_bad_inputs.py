"""Each bad input, the number of its row in the table of faults, and the exact text of its error."""
# ruff: noqa: E501, S104 - the texts are whole lines

from __future__ import annotations

from typing import Any

import pytest

from hashistack.spec import ClusterSpec, SpecError

BAD: list[tuple[str, dict[Any, Any], str]] = [
    (
        "1",
        {"servers": {"count": 4}},
        "spec.servers.count: must be 3 or 5 (got 4). An even number adds no fault tolerance: use 3 or 5.",
    ),
    (
        "1",
        {"servers": {"count": 2}},
        "spec.servers.count: must be 3 or 5 (got 2). An even number adds no fault tolerance: use 3 or 5.",
    ),
    (
        "2",
        {"servers": {"count": 1}},
        "spec.servers.count: must be 3 or 5 (got 1). One server tolerates no failure: use 3, on the laptop too.",
    ),
    (
        "3",
        {"servers": {"count": 7}},
        "spec.servers.count: must be 3 or 5 (got 7). More voters slow every write down and gain little: use 5.",
    ),
    (
        "1",
        {"servers": {"count": 0}},
        "spec.servers.count: must be 3 or 5 (got 0). Use 3, or 5 to survive the loss of two servers.",
    ),
    (
        "1",
        {"servers": {"count": "3"}},
        'spec.servers.count: must be a whole number (got "3"). Write 3 without quotes.',
    ),
    (
        "1",
        {"servers": {"count": True}},
        "spec.servers.count: must be a whole number (got true). Write it in digits.",
    ),
    (
        "1",
        {"servers": {"count": 3.0}},
        "spec.servers.count: must be a whole number (got 3.0). Write it in digits.",
    ),
    (
        "5",
        {"servers": {"count": 5, "zones": ["a", "b"]}},
        'spec.servers.zones: the loss of one zone would drop 3 of 5 servers (got ["a", "b"]). Give at least 3 zones.',
    ),
    (
        "5",
        {"servers": {"zones": ["a", "b"]}},
        'spec.servers.zones: the loss of one zone would drop 2 of 3 servers (got ["a", "b"]). Give at least 3 zones.',
    ),
    (
        "6",
        {"servers": {"zones": []}},
        "spec.servers.zones: at least one zone is needed (got []). Name one or more, or leave the field out: the provider then chooses.",
    ),
    (
        "7",
        {"servers": {"zones": ["eu-west-1a", "eu-west-1a"]}},
        'spec.servers.zones: zone "eu-west-1a" is listed twice (got ["eu-west-1a", "eu-west-1a"]). List each zone once.',
    ),
    (
        "8",
        {"datacenter": "DC 1"},
        'spec.datacenter: a datacenter\'s name, which becomes a DNS label, cannot have "D", "C", " " (got "DC 1"). Use only a-z, 0-9 and "-".',
    ),
    ("8", {"datacenter": ""}, 'spec.datacenter: is empty (got ""). Use a-z, 0-9 and "-".'),
    (
        "9",
        {"datacenter": "*"},
        'spec.datacenter: is reserved: "*" matches all datacenters in a job (got "*"). Give it a name of its own.',
    ),
    (
        "9",
        {"datacenter": "a\x00"},
        'spec.datacenter: a datacenter\'s name, which becomes a DNS label, cannot have "\\x00" (got "a\\x00"). Use only a-z, 0-9 and "-".',
    ),
    (
        "10",
        {"datacenter": "a_b"},
        'spec.datacenter: a datacenter\'s name, which becomes a DNS label, cannot have "_" (got "a_b"). Use only a-z, 0-9 and "-".',
    ),
    (
        "10",
        {"datacenter": "a" * 64},
        'spec.datacenter: is 64 characters long, a datacenter\'s name, which becomes a DNS label, has 1 to 63 (got "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"). Shorten it.',
    ),
    (
        "10",
        {"datacenter": "a-"},
        'spec.datacenter: a datacenter\'s name, which becomes a DNS label, cannot end with "-" (got "a-"). End it with a letter or a digit.',
    ),
    (
        "11",
        {"region": "eu.west"},
        'spec.region: a region\'s name, which is in every certificate, cannot have "." (got "eu.west"). Use only a-z, 0-9 and "-".',
    ),
    (
        "11",
        {"region": "-eu"},
        'spec.region: a region\'s name, which is in every certificate, cannot begin with "-" (got "-eu"). Begin it with a letter or a digit.',
    ),
    (
        "13",
        {"clients": [{"name": "web", "node_pool": "all"}]},
        'spec.clients[0].node_pool: is built into Nomad: no node may register in it (got "all"). Pick another name, or leave the field out.',
    ),
    (
        "13",
        {"clients": [{"name": "web", "node_pool": "gpu.large"}]},
        'spec.clients[0].node_pool: a Nomad node pool\'s name cannot have "." (got "gpu.large"). Use only letters, digits, "-" and "_".',
    ),
    (
        "14",
        {"clients": [{"name": "servers"}]},
        'spec.clients[0].name: is what the pool of servers is called (got "servers"). Pick another name.',
    ),
    (
        "15",
        {"clients": [{"name": "a.b"}]},
        'spec.clients[0].name: a Nomad node pool\'s name cannot have "." (got "a.b"). Use only letters, digits, "-" and "_".',
    ),
    (
        "15",
        {"clients": [{"name": "a" * 129}]},
        'spec.clients[0].name: is 129 characters long, a Nomad node pool\'s name has 1 to 128 (got "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"). Shorten it.',
    ),
    (
        "15",
        {"clients": [{"name": "-rf"}]},
        'spec.clients[0].name: a Nomad node pool\'s name cannot begin with "-" (got "-rf"). Begin it with a letter or a digit.',
    ),
    (
        "16",
        {"clients": [{"name": "web"}, {"name": "Web"}]},
        'spec.clients[1].name: pool "Web" is defined twice, first as clients[0]. Give each pool a name of its own.',
    ),
    (
        "16",
        {"clients": []},
        "spec.clients: at least one pool of clients is needed: servers run no work (got []). Give one pool with a name.",
    ),
    (
        "19",
        {"clients": [{"name": "web", "meta": {"a..b": "x"}}]},
        'spec.clients[0].meta["a..b"]: is not a valid meta key (got "a..b"). Use letters, digits, "-" and "_", in parts joined by single dots.',
    ),
    (
        "19",
        {"clients": [{"name": "web", "meta": {"hashistack_pool": "x"}}]},
        'spec.clients[0].meta.hashistack_pool: begins with "hashistack", which is ours (got "hashistack_pool"). Choose another key.',
    ),
    (
        "25",
        {"network": {"cidr": "10.0.0.0/33"}},
        'spec.network.cidr: is not a network (got "10.0.0.0/33"). Did you mean 10.0.0.0/24?',
    ),
    (
        "25",
        {"network": {"cidr": "10.0.0.5/24"}},
        'spec.network.cidr: has bits set beyond its prefix (got "10.0.0.5/24"). Did you mean 10.0.0.0/24?',
    ),
    (
        "25",
        {"network": {"cidr": "10.0.0.0"}},
        'spec.network.cidr: is an address, not a network (got "10.0.0.0"). Add a prefix length: 10.0.0.0/24.',
    ),
    (
        "25",
        {"network": {"cidr": "ten"}},
        'spec.network.cidr: is not a network (got "ten"). Give an IPv4 network such as 10.0.0.0/16.',
    ),
    (
        "25",
        {"network": {"cidr": "fd00::/64"}},
        'spec.network.cidr: is not an IPv4 network (got "fd00::/64"). Give an IPv4 network such as 10.0.0.0/16.',
    ),
    (
        "25",
        {"network": {"cidr": "127.0.0.0/16"}},
        'spec.network.cidr: overlaps 127.0.0.0/8, which cannot be routed (got "127.0.0.0/16"). Choose a private network such as 10.0.0.0/16.',
    ),
    (
        "26",
        {"network": {"cidr": "10.0.0.0/16", "subnets": [{"cidr": "10.1.0.0/24"}]}},
        "spec.network.subnets[0].cidr: 10.1.0.0/24 is outside the network 10.0.0.0/16. Choose a part of 10.0.0.0/16.",
    ),
    (
        "26",
        {"network": {"cidr": "10.1.0.0/16", "peers": [{"name": "x", "cidr": "10.1.0.0/24"}]}},
        "spec.network.peers[0].cidr: 10.1.0.0/24 overlaps 10.1.0.0/16 (the cluster's network). Choose addresses that nothing else uses.",
    ),
    (
        "26",
        {"network": {"subnets": [{"cidr": "10.1.0.0/24"}, {"cidr": "10.1.0.0/25"}]}},
        "spec.network.subnets[1].cidr: 10.1.0.0/25 overlaps 10.1.0.0/24 (subnets[0]). Choose addresses that nothing else uses.",
    ),
    (
        "26",
        {"network": {"cidr": "172.26.64.0/20"}},
        "spec.network.bridge: 172.26.64.0/20 overlaps 172.26.64.0/20 (the cluster's network). Choose addresses that nothing else uses.",
    ),
    (
        "26",
        {"network": {"docker_bridge": "172.26.64.0/24"}},
        "spec.network.docker_bridge: 172.26.64.0/24 overlaps 172.26.64.0/20 (Nomad's bridge). Choose addresses that nothing else uses.",
    ),
    (
        "26",
        {"network": {"peers": [{"name": "office", "cidr": "172.26.88.0/24"}]}},
        "spec.network.peers[0].cidr: 172.26.88.0/24 overlaps 172.26.80.0/20 (Docker's bridge). Choose addresses that nothing else uses.",
    ),
    (
        "27",
        {"network": {"cidr": "10.0.0.0/28"}, "clients": [{"name": "web", "desired": 40}]},
        "spec.network.cidr: /28 holds 11 machines, the pools need 45. Give a larger network.",
    ),
    (
        "27",
        {"network": {"subnets": [{"cidr": "10.0.0.0/24", "public": True}]}},
        "spec.network.subnets: all subnets are public: machines have no place. Add one that is not.",
    ),
    (
        "28",
        {"clients": [{"name": "web", "min": 5, "max": 3, "desired": 4}]},
        "spec.clients[0].min: min 5 > max 3. Lower min or raise max.",
    ),
    (
        "28",
        {"clients": [{"name": "web", "min": 1, "max": 3, "desired": 4}]},
        "spec.clients[0].desired: is more than max 3 (got 4). Lower it, or raise max.",
    ),
    (
        "28",
        {"clients": [{"name": "web", "desired": 2, "max": 1}]},
        "spec.clients[0].min: min 2 > max 1. Lower min or raise max.",
    ),
    (
        "28",
        {"clients": [{"name": "web", "min": 3, "desired": 2}]},
        "spec.clients[0].min: min 3 > max 2. Lower min or raise max.",
    ),
    (
        "28",
        {"clients": [{"name": "web", "min": -1}]},
        "spec.clients[0].min: must be at least 0 (got -1). Raise it.",
    ),
    (
        "29",
        {"clients": [{"name": "web", "desired": 0}]},
        "spec.clients[0].max: the pool would have no machine (got 0). Give at least 1, or remove the pool.",
    ),
    (
        "30",
        {"clients": [{"name": "web", "upgrade": {"max_unavailable": 2}}]},
        'spec.clients[0].upgrade.max_unavailable: would drain all 2 of "web" at once (got 2). Give at most 1.',
    ),
    (
        "30",
        {"upgrade": {"max_unavailable": 2}},
        'spec.upgrade.max_unavailable: would drain all 2 of "workers" at once (got 2). Give at most 1.',
    ),
    (
        "30",
        {"upgrade": {"max_surge": 0}},
        "spec.upgrade.max_surge: with max_unavailable 0 too, no machine could ever be replaced (got 0). Give at least 1.",
    ),
    (
        "30",
        {"upgrade": {"canary": 2}},
        "spec.upgrade.canary: is more than max_surge 1 (got 2). Raise max_surge.",
    ),
    (
        "30",
        {"upgrade": {"canary": 3, "max_surge": 3}},
        'spec.upgrade.canary: pool "workers" has only 2 machines (got 3). Give at most 2.',
    ),
    (
        "30",
        {"upgrade": {"max_surge": 0, "max_unavailable": 1, "pace": "applications"}},
        'spec.upgrade.max_surge: with pace "applications" new machines must come first (got 0). Give at least 1.',
    ),
    (
        "31",
        {"clients": [{"name": "web", "spot": True}]},
        "spec.clients[0].on_demand_base: spot machines need at least 1 on-demand machine beside them (got 0). Give at least 1, or set `all_spot: true` if the whole pool may vanish.",
    ),
    (
        "31",
        {"clients": [{"name": "web", "all_spot": True}]},
        "spec.clients[0].all_spot: all_spot without spot (got true). Set `spot: true` too.",
    ),
    (
        "31",
        {"clients": [{"name": "web", "spot": True, "all_spot": True, "on_demand_base": 1}]},
        "spec.clients[0].on_demand_base: contradicts `all_spot: true` (got 1). Set it to 0, or remove all_spot.",
    ),
    (
        "32",
        {"servers": {"spot": True}},
        "spec.servers.spot: is not a field of the specification. Servers hold the cluster's state: they are always on-demand. Remove it.",
    ),
    (
        "31",
        {"clients": [{"name": "web", "machine_types": ["m7i.large"]}]},
        'spec.clients[0].machine_types: alternatives without a first choice (got ["m7i.large"]). Give `machine_type` too.',
    ),
    (
        "33",
        {"versions": {"cni": "1.10.99"}},
        'spec.versions.cni: is not in the catalog (got "1.10.99"). Known: 1.9.0; any other needs {version, sha256}.',
    ),
    (
        "33",
        {"versions": {"nomad": "1.10.9+ent"}},
        'spec.versions.nomad: is no release of the community edition (got "1.10.9+ent"). Pin any other: {version, sha256}.',
    ),
    (
        "34",
        {"versions": {"nomad": {"version": "1.11.4"}}},
        "spec.versions.nomad.sha256: is missing. Give one for each architecture: {amd64: <64 hex digits>}.",
    ),
    (
        "34",
        {"versions": {"nomad": {"version": "1.11.4", "sha256": {"amd64": "ab"}}}},
        'spec.versions.nomad.sha256.amd64: is not a SHA-256 digest, 2 characters long (got "ab"). Give 64 lower-case hex digits.',
    ),
    (
        "34",
        {"versions": {"nomad": {"version": "1.11.4", "sha256": {"amd64": "A" * 64}}}},
        'spec.versions.nomad.sha256.amd64: is a digest in upper case (got "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…"). Write it in lower case: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".',
    ),
    (
        "34",
        {"versions": {"nomad": {"version": "1.11.4", "sha256": {"x86_64": "a" * 64}}}},
        'spec.versions.nomad.sha256: "x86_64" is not an architecture (got {"x86_64": …}). Known: amd64, arm64.',
    ),
    (
        "34",
        {"versions": {"nomad": {"version": "1.11.4", "sha256": {}}}},
        "spec.versions.nomad.sha256: has no digest (got {}). Give one for each architecture in use: amd64: <64 hex digits>.",
    ),
    (
        "36",
        {
            "versions": {"nomad": {"version": "1.11.4", "sha256": {"amd64": "a" * 64}}},
            "clients": [{"name": "arm", "arch": "arm64"}],
        },
        'spec.versions.nomad.sha256: pool "arm" is arm64, but nomad is pinned for amd64 only. Add the digest for arm64.',
    ),
    (
        "46",
        {"gossip_key": "c2VjcmV0"},
        "spec.gossip_key: is not a field of the specification. The cluster makes its own key, and by rotate_gossip another. Remove it.",
    ),
    (
        "47",
        {"encrypt": "q" * 43 + "="},
        "spec.encrypt: is not a field of the specification. The cluster makes its own key, and by rotate_gossip another. Remove it.",
    ),
    (
        "48",
        {"network": {"min_dynamic_port": 8000}},
        "spec.network.min_dynamic_port: the range 8000-32000 holds ports of the cluster itself (got [8200, 8201, 8300, 8301, 8500, …]). Choose a range without them, such as 20000 to 32000.",
    ),
    (
        "48",
        {"network": {"min_dynamic_port": 80}},
        "spec.network.min_dynamic_port: must be at least 1024 (got 80). Raise it.",
    ),
    (
        "49",
        {"network": {"min_dynamic_port": 32001}},
        "spec.network.min_dynamic_port: min_dynamic_port 32001 > max_dynamic_port 32000. Give a range such as 20000 to 32000.",
    ),
    (
        "49",
        {"network": {"max_dynamic_port": 70000}},
        "spec.network.max_dynamic_port: must be at most 65535 (got 70000). Lower it.",
    ),
    (
        "50",
        {"clients": [{"name": "web", "host_volumes": {"data": {"path": "data"}}}]},
        'spec.clients[0].host_volumes.data.path: must be an absolute path (got "data"). Begin it with "/" and leave out "..".',
    ),
    (
        "50",
        {"clients": [{"name": "web", "host_volumes": {"a b": {"path": "/data"}}}]},
        'spec.clients[0].host_volumes["a b"]: a host volume\'s name cannot have " " (got "a b"). Use only letters, digits, "-" and "_".',
    ),
    (
        "50",
        {"clients": [{"name": "web", "publish": [{"port": 80, "host": 8080}, {"port": 8080}]}]},
        "spec.clients[0].publish[1].host: port 8080 of the host leads to clients[0].publish[0] already. Give another `host`.",
    ),
    (
        "50",
        {"clients": [{"name": "web", "publish": [{"port": 0}]}]},
        "spec.clients[0].publish[0].port: must be at least 1 (got 0). Raise it.",
    ),
    (
        "51",
        {"dns": {"upstreams": ["0.0.0.0", "1.1.1.1"]}},
        'spec.dns.upstreams[0]: cannot be 0.0.0.0 or :: (got "0.0.0.0"). Give the address of a resolver.',
    ),
    (
        "52",
        {"dns": {"upstreams": ["127.0.0.1", "1.1.1.1"]}},
        'spec.dns.upstreams[0]: is this machine itself: queries would loop (got "127.0.0.1"). Give the address of another resolver.',
    ),
    (
        "52",
        {"dns": {"upstreams": ["172.26.64.1", "1.1.1.1"]}},
        "spec.dns.upstreams[0]: 172.26.64.1 is inside Nomad's bridge 172.26.64.0/20, which is the machine's own. Give the address of another resolver.",
    ),
    (
        "52",
        {"dns": {"upstreams": ["172.26.80.1", "1.1.1.1"]}},
        "spec.dns.upstreams[0]: 172.26.80.1 is inside Docker's bridge 172.26.80.0/20, which is the machine's own. Give the address of another resolver.",
    ),
    (
        "52",
        {"dns": {"upstreams": ["1.1.1.1"]}},
        'spec.dns.upstreams: one upstream is a single point of failure (got ["1.1.1.1"]). Give at least two, or none for the platform\'s own.',
    ),
    (
        "52",
        {"dns": {"upstreams": ["1.1.1.1", "1.1.1.1"]}},
        'spec.dns.upstreams: 1.1.1.1 is listed twice (got ["1.1.1.1", "1.1.1.1"]). List each resolver once.',
    ),
    (
        "53",
        {"dns": {"upstreams": ["dns.example.com", "1.1.1.1"]}},
        'spec.dns.upstreams[0]: is not an IP address (got "dns.example.com"). Give an address: a resolver cannot be found by a name that it must resolve.',
    ),
    (
        "54",
        {"dns": {"domain": "com"}},
        'spec.dns.domain: is a domain that others answer for (got "com"). Use "consul", or a domain of your own.',
    ),
    (
        "54",
        {"dns": {"search": ["consul"]}},
        'spec.dns.search[0]: is the cluster\'s own domain (got "consul"). Remove it: every short name would be asked of Consul first.',
    ),
    (
        "54",
        {"dns": {"domain": "Con sul"}},
        'spec.dns.domain: is not a domain name (got "Con sul"). Use labels of a-z, 0-9 and "-", joined by dots.',
    ),
    (
        "55",
        {"name": "x;rm"},
        'spec.name: a cluster\'s name cannot have ";" (got "x;rm"). Use only a-z, 0-9 and "-".',
    ),
    (
        "55",
        {"name": "$(id)"},
        'spec.name: a cluster\'s name cannot have "$", "(", ")" (got "$(id)"). Use only a-z, 0-9 and "-".',
    ),
    (
        "55",
        {"clients": [{"name": "web", "meta": {"a": "${node.x}"}}]},
        'spec.clients[0].meta.a: has the unsafe characters "${" (got "${node.x}"). Give plain text on one line, without expressions.',
    ),
    (
        "55",
        {"clients": [{"name": "web", "meta": {"a": "x\ny"}}]},
        'spec.clients[0].meta.a: has the unsafe characters "\\n" (got "x\\ny"). Give plain text on one line, without expressions.',
    ),
    (
        "55",
        {"tags": {"a": "{{ key }}"}},
        'spec.tags.a: has the unsafe characters "{{" (got "{{ key }}"). Give plain text on one line, without expressions.',
    ),
    (
        "55",
        {"name": "1a"},
        'spec.name: a cluster\'s name cannot begin with "1" (got "1a"). Begin it with a letter (a-z).',
    ),
    (
        "56",
        {"tags": {"aws:x": "1"}},
        'spec.tags["aws:x"]: begins with "aws:", a prefix that is reserved by the cloud (got "aws:x"). Choose another key.',
    ),
    (
        "56",
        {"tags": {"hashistack": "1"}},
        'spec.tags.hashistack: begins with "hashistack", which is ours (got "hashistack"). Choose another key.',
    ),
    (
        "56",
        {"tags": {"a;b": "1"}},
        'spec.tags["a;b"]: is not a valid tag key (got "a;b"). Use 1 to 128 letters, digits, spaces and _ . : / = + - @.',
    ),
    ("57", {"servres": {}}, 'spec.servres: unknown field (got {}). Did you mean "servers"?'),
    ("57", {"servers": {"contu": 3}}, 'spec.servers.contu: unknown field (got 3). Did you mean "count"?'),
    (
        "57",
        {"qqq": 1},
        "spec.qqq: unknown field (got 1). Known here: acl, clients, datacenter, dns, name, network, region, registries, seal, servers, snapshots, tags, tls, upgrade, versions.",
    ),
    (
        "57",
        {"clients": [{"name": "web", "arch": "arm46"}]},
        'spec.clients[0].arch: must be "amd64" or "arm64" (got "arm46"). Did you mean "arm64"?',
    ),
    (
        "57",
        {"clients": [{"name": "web", "drivers": ["raw_exec"]}]},
        'spec.clients[0].drivers: raw_exec runs tasks as root without isolation: whoever may submit a job owns the machine (got ["raw_exec"]). Use "exec", or set `accept: [raw_exec]` in this pool.',
    ),
    (
        "57",
        {"clients": [{"name": "web", "csi": True, "drivers": ["exec"]}]},
        'spec.clients[0].csi: CSI plugins run as privileged containers, and `drivers` has no docker (got ["exec"]). Add "docker" to `drivers`, or remove csi.',
    ),
    (
        "57",
        {"clients": [{"name": "web", "accept": ["privileged"]}]},
        'spec.clients[0].accept: "privileged" is nothing that this pool could accept. Remove it: an error names what can be accepted.',
    ),
    (
        "57",
        {"clients": [{"name": "web", "drivers": ["exec", "podman"]}]},
        'spec.clients[0].drivers: podman needs a plugin that the reference machines don\'t have (got ["exec", "podman"]). Use "docker".',
    ),
    (
        "57",
        {"clients": [{"name": "web", "drivers": ["docker"]}]},
        'spec.clients: no pool has the driver "exec", by which a new cluster proves itself and scheduled snapshots run. Add "exec" to the `drivers` of a pool.',
    ),
    (
        "57",
        {"clients": [{"name": "web", "drivers": ["exce"]}]},
        'spec.clients[0].drivers: "exce" is not a driver of the reference machines (got ["exce"]). Did you mean "exec"?',
    ),
    (
        "57",
        {"clients": [{"name": "web", "drivers": []}]},
        'spec.clients[0].drivers: at least one driver is needed (got []). Give ["exec"].',
    ),
    (
        "57",
        {"clients": [{"name": "web", "count": 2}]},
        "spec.clients[0].count: is not a field of the specification. A pool of clients has `min`, `max` and `desired`.",
    ),
    (
        "58",
        {"datacenter": False},
        "spec.datacenter: must be text (got false). Quote it: YAML reads yes, no, on and off as true and false.",
    ),
    (
        "58",
        {"versions": {"nomad": 1.1}},
        'spec.versions.nomad: is not a version but a number (got 1.1). Quote it: "1.10" is text, 1.10 is a number.',
    ),
    (
        "58",
        {"versions": {"nomad": 8}},
        'spec.versions.nomad: is not a version but a number (got 8). Quote it: "1.10" is text, 1.10 is a number.',
    ),
    (
        "58",
        {"versions": {"nomad": 1000.0}},
        'spec.versions.nomad: is not a version but a number (got 1000.0). Quote it: "1.10" is text, 1.10 is a number.',
    ),
    (
        "58",
        {"versions": {"nomad": "1e3"}},
        'spec.versions.nomad: is not a version (got "1e3"). Write three numbers in quotes: "1.11.3".',
    ),
    (
        "58",
        {"versions": {"nomad": True}},
        'spec.versions.nomad: is not a version (got true). Write it in quotes: "1.11.3".',
    ),
    (
        "58",
        {"clients": [{"name": "web", "spot": "yes"}]},
        'spec.clients[0].spot: must be true or false (got "yes"). Write true or false, without quotes.',
    ),
    ("58", {True: 1}, "spec: has a key that is not text (got true). Quote the key."),
    ("58", {"servers": {10: 1}}, "spec.servers: has a key that is not text (got 10). Quote the key."),
    (
        "58",
        {"servers": None},
        "spec.servers: must be a mapping of fields (got null). Leave it out for the defaults, or give its fields.",
    ),
    (
        "58",
        {"clients": "web"},
        'spec.clients: must be a list (got "web"). Write the values as a list, [a, b], even if there is only one.',
    ),
    (
        "58",
        {"clients": [{"name": "web", "drivers": "exec"}]},
        'spec.clients[0].drivers: must be a list (got "exec"). Write the values as a list, [a, b], even if there is only one.',
    ),
    (
        "58",
        {"versions": {"nomad": {"version": 1.1, "sha256": {"amd64": "a" * 64}}}},
        'spec.versions.nomad.version: is not a version but a number (got 1.1). Quote it: "1.10" is text, 1.10 is a number.',
    ),
    (
        "58",
        {"clients": [None]},
        "spec.clients[0]: must be a mapping of fields (got null). Leave it out for the defaults, or give its fields.",
    ),
    (
        "58",
        {"tags": {"a": 1}},
        'spec.tags.a: must be text (got 1). Quote it: "1.10" is text, 1.10 is a number.',
    ),
    (
        "58",
        {"acl": {"default_policy": "allow"}},
        'spec.acl.default_policy: must be "deny" (got "allow"). Write one of these.',
    ),
    (
        "59",
        {"upgrade": {"drain_deadline": "10"}},
        'spec.upgrade.drain_deadline: is not a duration (got "10"). It needs a unit: "10s" or "10m".',
    ),
    (
        "59",
        {"upgrade": {"drain_deadline": "-5s"}},
        'spec.upgrade.drain_deadline: is not a duration (got "-5s"). It must be positive.',
    ),
    (
        "59",
        {"upgrade": {"drain_deadline": "1d"}},
        'spec.upgrade.drain_deadline: is not a duration (got "1d"). Go knows no days or weeks: write "24h".',
    ),
    (
        "59",
        {"upgrade": {"drain_deadline": 600}},
        'spec.upgrade.drain_deadline: is not a duration (got 600). It needs a unit: "600s".',
    ),
    (
        "59",
        {"upgrade": {"drain_deadline": "soon"}},
        'spec.upgrade.drain_deadline: is not a duration (got "soon"). Write it with h, m, s or ms: "30s", "1h30m".',
    ),
    (
        "59",
        {"upgrade": {"min_healthy_time": "0s"}},
        'spec.upgrade.min_healthy_time: must be longer than nothing (got "0s"). Give a positive duration.',
    ),
    (
        "59",
        {"snapshots": {"interval": "1s"}},
        'spec.snapshots.interval: must be between 5m and 168h (got "1s"). Choose a value in that range.',
    ),
    (
        "60",
        {"upgrade": {"drain_deadline": "2h"}},
        'spec.upgrade.hook_timeout: drain_deadline 2h and max_kill_timeout 30s exceed it: a machine would be cut off while it drains (got "2h"). Raise it to at least "7230s", or shorten the drain.',
    ),
    (
        "60",
        {"clients": [{"name": "web", "upgrade": {"hook_timeout": "10m"}}]},
        'spec.clients[0].upgrade.hook_timeout: drain_deadline 1h and max_kill_timeout 30s exceed it: a machine would be cut off while it drains (got "10m"). Raise it to at least "3630s", or shorten the drain.',
    ),
    (
        "61",
        {"servers": {"heartbeat_grace": "5s"}},
        'spec.servers.heartbeat_grace: is shorter than an agent\'s restart in place: it would reschedule all allocations (got "5s"). Give at least "10s".',
    ),
    (
        "61",
        {"servers": {"heartbeat_grace": "0s"}},
        'spec.servers.heartbeat_grace: must be longer than nothing (got "0s"). Give a positive duration.',
    ),
    (
        "62",
        {"tags": {"note": "hvs.CAESIJ1234567890abcdefghij"}},
        "spec.tags.note: looks like a secret, and the specification holds none (got a value that looks like a secret, not shown). Put it into Vault, or use a Pulumi secret; here, name it only.",
    ),
    (
        "62",
        {"clients": [{"name": "web", "meta": {"k": "q" * 43 + "="}}]},
        "spec.clients[0].meta.k: looks like a secret, and the specification holds none (got a value that looks like a secret, not shown). Put it into Vault, or use a Pulumi secret; here, name it only.",
    ),
    (
        "62",
        {"servers": {"machine_type": "-----BEGIN PRIVATE KEY-----"}},
        'spec.servers.machine_type: a machine type cannot have " " (got a value that looks like a secret, not shown). Use only letters, digits, ".", "-" and "_".',
    ),
    (
        "62",
        {"nomad_token": "x"},
        "spec.nomad_token: is a secret, and the specification holds none. Remove it: the cluster makes its own keys and tokens; others belong into Pulumi secrets.",
    ),
    (
        "62",
        {"tags": {"db_password": "x"}},
        'spec.tags.db_password: names a secret, and the specification holds none (got "db_password"). Put it into Vault, or use a Pulumi secret.',
    ),
    (
        "43",
        {"seal": {"type": "awskms"}},
        'spec.seal.key: the seal "awskms" needs an existing key (got null). Give the key\'s id, or the type platform.',
    ),
    (
        "43",
        {"seal": {"key": "k"}},
        'spec.seal.key: the platform makes its own key (got "k"). Remove it, or name the seal\'s `type`.',
    ),
    (
        "43",
        {"seal": {"type": "shamir"}},
        'spec.seal.type: must be "platform", "awskms" or "gcpckms" (got "shamir"). Write one of these.',
    ),
    (
        "43",
        {"seal": {"access_key": "AKIA"}},
        "spec.seal.access_key: is not a field of the specification. Machines reach the key by their own identity. Remove it; never write credentials here.",
    ),
    (
        "acl",
        {"acl": {"anonymous": True}},
        "spec.acl.anonymous: access without a token is refused (got true). Set it to false; give each user and program a token.",
    ),
    (
        "acl",
        {"acl": {"enabled": False}},
        "spec.acl.enabled: is not a field of the specification. Access control is always on. Remove it.",
    ),
    (
        "tls",
        {"tls": {"validity_days": 30, "renew_before_days": 30}},
        "spec.tls.renew_before_days: a certificate of 30 days is renewed at each run (got 30). Give less than `validity_days`; a third of it is a good choice.",
    ),
    (
        "tls",
        {"tls": {"validity_days": 800, "ca_validity_days": 400}},
        "spec.tls.validity_days: a certificate cannot outlive its CA of 400 days (got 800). Shorten it, or raise `ca_validity_days`.",
    ),
    (
        "55",
        {"servers": {"machine_type": "m7i large"}},
        'spec.servers.machine_type: a machine type cannot have " " (got "m7i large"). Use only letters, digits, ".", "-" and "_".',
    ),
    (
        "55",
        {"servers": {"zones": ["a;b"]}},
        'spec.servers.zones[0]: a zone\'s name cannot have ";" (got "a;b"). Use only a-z, 0-9 and "-".',
    ),
    (
        "-",
        {"network": {"vpc_id": "vpc-1"}},
        "spec.network.vpc_id: is not a field of the specification. It is known only at deploy time: give it to the cluster's component, not to the specification.",
    ),
    ("-", {"servers": {"disk_gib": 1}}, "spec.servers.disk_gib: must be at least 8 (got 1). Raise it."),
    (
        "-",
        {"provider": "aws"},
        "spec.provider: is not a field of the specification. The component that takes the specification says it. Remove it.",
    ),
]


@pytest.mark.parametrize(("row", "data", "text"), BAD, ids=[f"{row}-{text[:40]}" for row, _, text in BAD])
def test_is_refused_with_path_reason_and_remedy(row: str, data: dict[Any, Any], text: str) -> None:
    with pytest.raises(SpecError) as refusal:
        ClusterSpec.parse(data)
    assert str(refusal.value) == text


def test_all_problems_are_told_at_once() -> None:
    """Fields that are bad by themselves, at any depth, and those that are bad beside others."""
    with pytest.raises(SpecError) as refusal:
        ClusterSpec.parse(
            {
                "servres": {},
                "datacenter": "*",
                "servers": {"count": 4, "zones": []},
                "clients": [{"name": "server", "min": 5, "max": 3}, {"nam": "x", "spot": True}],
                "network": {"cidr": "172.26.0.0/16", "subnets": [{"cidr": "10.0.0.0/33"}]},
                "dns": {"upstreams": ["172.26.64.1", "0.0.0.0"]},
                "tls": {"validity_days": 30, "renew_before_days": 30},
                "upgrade": {"drain_deadline": "2h"},
            }
        )
    assert {problem.path for problem in refusal.value.problems} == {
        "servres",
        "datacenter",
        "servers.count",
        "servers.zones",
        "clients[0].name",
        "clients[0].min",
        "clients[1].name",
        "clients[1].nam",
        "clients[1].on_demand_base",
        "network.subnets[0].cidr",
        "dns.upstreams[1]",
        "tls.renew_before_days",
    }
    assert len(str(refusal.value).splitlines()) == len(refusal.value.problems)


def test_sections_of_a_bad_specification_that_are_sound_are_still_compared() -> None:
    with pytest.raises(SpecError) as refusal:
        ClusterSpec.parse({"name": "", "clients": [{"name": "web"}, {"name": "web"}]})
    assert [problem.path for problem in refusal.value.problems] == ["name", "clients[1].name"]


def test_a_section_that_is_made_by_itself_names_itself() -> None:
    from hashistack.spec import ServerPool

    with pytest.raises(SpecError, match=r"^ServerPool\.count: must be 3 or 5 \(got 4\)\."):
        ServerPool(count=4)


@pytest.mark.parametrize("secret", ["hvs." + "A1b2" * 8, "-----BEGIN EC PRIVATE KEY-----\nMHcC", "A" * 43 + "="])
@pytest.mark.parametrize(
    "place", [("tags", "a"), ("token",), ("gossip_key",), ("name",), ("servers", "zone"), ("encrypt",)]
)
def test_no_error_shows_a_secret(secret: str, place: tuple[str, ...]) -> None:
    data: Any = secret
    for key in reversed(place):
        data = {key: data}
    with pytest.raises(SpecError) as refusal:
        ClusterSpec.parse(data)
    assert secret not in str(refusal.value)
    assert secret.splitlines()[0] not in str(refusal.value)


@pytest.mark.parametrize("data", [{"tags": {"hvs." + "A1b2" * 8: "x"}}, {"hvs." + "A1b2" * 8: "x"}])
def test_no_error_shows_a_secret_that_is_a_key(data: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as refusal:
        ClusterSpec.parse(data)
    assert "A1b2" not in str(refusal.value)


def test_a_value_that_is_known_only_while_deploying_is_explained() -> None:
    fake = type("Output", (), {"__module__": "pulumi.output"})()
    with pytest.raises(SpecError) as refusal:
        ClusterSpec.parse({"name": fake})
    assert str(refusal.value) == (
        "spec.name: must be text (got a Pulumi output). Give a plain value; what is known only while deploying belongs"
        " to the component's arguments."
    )


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(SpecError, match=r"^spec: must be a mapping of fields"):
        ClusterSpec.parse(data)
