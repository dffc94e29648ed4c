FROM scratch
ADD rootfs.tar /
RUN for name in consul nomad vault; do \
      useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$name" || exit 1; \
    done \
 && ln -s /usr/bin/busybox /usr/sbin/httpd \
 && rm -rf /etc/service /etc/runit && mkdir -p /etc/service /etc/hashistack
COPY init /sbin/machine-init
COPY runit /etc/runit
STOPSIGNAL SIGCONT
ENTRYPOINT ["/sbin/machine-init"]
