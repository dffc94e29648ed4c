FROM scratch
ADD rootfs.tar /
RUN for name in consul nomad vault; do \
      useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$name" || exit 1; \
    done \
 && ln -s /usr/bin/busybox /usr/sbin/httpd \
 && rm -rf /etc/service /etc/runit && mkdir -p /etc/service /etc/hashistack \
 # Nothing here needs to be setuid. Where Docker maps users, setuid-root files are another user's, and mount fails.
 && find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
# What exec tasks see: Nomad copies it for each task, and a whole Debian is 10,000 files.
RUN root=/opt/hashistack/task-root && mkdir -p $root/bin $root/etc/ssl/certs $root/usr/bin \
 && cp /usr/bin/busybox /usr/bin/curl /bin/bash $root/bin/ \
 && for applet in $(busybox --list); do [ -e $root/bin/$applet ] || ln -s busybox $root/bin/$applet; done \
 && ln -s /bin/env $root/usr/bin/env \
 && ldd /usr/bin/busybox /usr/bin/curl /bin/bash | grep -o '/[^ ]*' | grep -v ':$' | sort -u | xargs -I{} cp -L --parents {} $root \
 && cp /etc/ssl/certs/ca-certificates.crt $root/etc/ssl/certs/ \
 && cp /etc/nsswitch.conf /etc/protocols /etc/services /etc/passwd /etc/group $root/etc/ 2>/dev/null; \
    test -x /opt/hashistack/task-root/bin/curl
COPY init /sbin/machine-init
COPY runit /etc/runit
LABEL hashistack.libc=glibc
STOPSIGNAL SIGCONT
ENTRYPOINT ["/sbin/machine-init"]
