ARG BASE
FROM ${BASE}
RUN apk add --no-cache runit unbound haproxy ca-certificates curl iproute2 iptables iptables-legacy procps-ng jq openssl \
      tzdata busybox-extras docker git \
 && for name in consul nomad vault; do \
      addgroup -S "$name" && adduser -S -D -H -h /nonexistent -s /sbin/nologin -G "$name" "$name" || exit 1; \
    done \
 && rm -f /etc/machine-id /etc/unbound/*.key /etc/unbound/*.pem \
 && rm -rf /etc/service /etc/runit /var/log/* && mkdir -p /etc/service /etc/hashistack \
 # Nothing here needs to be setuid. Where Docker maps users, setuid-root files are another user's, and mount fails.
 && find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
# What exec tasks see: Nomad copies it for each task.
RUN apk add --no-cache --root /opt/hashistack/task-root --initdb --keys-dir /etc/apk/keys \
      --repositories-file /etc/apk/repositories alpine-baselayout bash busybox busybox-extras curl ca-certificates-bundle
COPY init /sbin/machine-init
COPY runit /etc/runit
LABEL hashistack.libc=musl
STOPSIGNAL SIGCONT
ENTRYPOINT ["/sbin/machine-init"]
