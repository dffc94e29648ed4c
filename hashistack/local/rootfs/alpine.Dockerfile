ARG BASE
FROM ${BASE}
RUN apk add --no-cache runit unbound ca-certificates curl iproute2 iptables iptables-legacy procps-ng jq openssl \
      tzdata busybox-extras \
 && for name in consul nomad vault; do \
      addgroup -S "$name" && adduser -S -D -H -h /nonexistent -s /sbin/nologin -G "$name" "$name" || exit 1; \
    done \
 && rm -f /etc/machine-id /etc/unbound/*.key /etc/unbound/*.pem \
 && rm -rf /etc/service /etc/runit /var/log/* && mkdir -p /etc/service /etc/hashistack
COPY init /sbin/machine-init
COPY runit /etc/runit
STOPSIGNAL SIGCONT
ENTRYPOINT ["/sbin/machine-init"]
